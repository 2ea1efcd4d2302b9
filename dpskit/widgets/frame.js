// Says to screen readers what the controls of a panel are called, and what they are set to.

const set = (element, name, value) => {
  if (value && element.getAttribute(name) !== value) element.setAttribute(name, value);
};

function describe(panel) {
  for (const row of panel.querySelectorAll(".widget-inline-hbox")) {
    const label = row.querySelector(".widget-label")?.textContent;
    const value = row.querySelector(".widget-readout")?.textContent;
    for (const handle of row.querySelectorAll(".noUi-handle")) {
      set(handle, "aria-label", label);
      set(handle, "aria-valuetext", value);
    }
    const readout = row.querySelector(".widget-readout[contenteditable=true]");
    if (readout) {
      set(readout, "role", "textbox");
      set(readout, "aria-label", `value of ${label}`);
    }
  }
  for (const button of panel.querySelectorAll(".widget-toggle-button")) {
    set(button, "aria-pressed", String(button.classList.contains("mod-active")));
  }
  for (const status of panel.querySelectorAll(".dpskit-status")) set(status, "role", "status");
}

function render({el}) {
  let observer;
  const begin = () => {
    const panel = el.closest(".dpskit-panel");
    if (!panel) return requestAnimationFrame(begin);
    const options = {subtree: true, childList: true, characterData: true, attributeFilter: ["class", "aria-valuetext"]};
    observer = new MutationObserver(() => describe(panel));
    observer.observe(panel, options);
    describe(panel);
  };
  begin();
  return () => observer?.disconnect();
}

export default {render};
