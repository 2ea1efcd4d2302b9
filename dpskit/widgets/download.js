// Buttons that ask the kernel for a file, and save what it sends.

function render({model, el}) {
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "download");
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  el.append("Download: ");
  for (const name of model.get("_names")) {
    const button = el.appendChild(document.createElement("button"));
    button.textContent = name;
    button.addEventListener("click", () => {
      said.textContent = `making ${name} …`;
      model.send({name});
    });
  }
  el.append(said);
  const receive = ({file, type, error}, buffers) => {
    said.textContent = error ?? `saved ${file}`;
    if (error) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([buffers[0]], {type}));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  model.on("msg:custom", receive);
  return () => model.off("msg:custom", receive);
}

export default {render};
