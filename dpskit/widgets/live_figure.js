// A plotly figure as wide as its place, in the colours of the page, whose scenes turn with all scenes of its group.

const NIGHT = [[0, "#5b8fd0"], [0.5, "#b5b09a"], [1, "#fee838"]]; // the dark end of Cividis is lost on a dark page
const STEP = Math.PI / 18; // by which an arrow key turns a scene
const ARROWS = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP]};

const groups = (globalThis.dpskitScenes ??= new Map()); // name -> {view, members}: what its scenes are seen from

const part = (model, name) => model.widget_manager.get_model(model.get(name).replace("IPY_MODEL_", ""));

const library = (model) => (globalThis.dpskitPlotly ??= (async () => {
  const source = (await part(model, "_library")).get("source");
  const address = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  await import(address);
  URL.revokeObjectURL(address);
  return globalThis.Plotly;
})());

const NAMES = 35; // pixels by which a scene is wider than high: the names of the axes lie beside the cube
const TITLE = 30; // pixels above each scene
const LEGIBLE = 220; // pixels of width below which a scene shrinks, so that the names of its axes have room beside it

const scenes = (layout) => Object.keys(layout).filter((name) => /^scene\d*$/.test(name));

function themed(el, {data, layout}) {
  const dark = document.body.dataset.jpThemeLight === "false";
  const text = getComputedStyle(el).getPropertyValue("--jp-content-font-color1").trim() || "#222222";
  layout.font = {...layout.font, color: text};
  for (const name of scenes(layout)) {
    for (const axis of ["xaxis", "yaxis", "zaxis"].map((key) => layout[name][key])) {
      axis.tickfont = {...axis.tickfont, color: text};
      axis.title.font = {...axis.title.font, color: text};
    }
  }
  if (dark) for (const {marker} of data) if (marker?.colorscale) marker.colorscale = NIGHT;
  return {data, layout};
}

function grid(layout, room, highest) { // as many scenes in a row as make them largest
  const {length} = scenes(layout);
  const grids = Array.from({length}, (_, k) => {
    const [columns, rows] = [k + 1, Math.ceil(length / (k + 1))];
    return {columns, rows, high: Math.min((room - layout.margin.r) / columns - NAMES, highest / rows - TITLE)};
  });
  return grids.reduce((best, each) => each.high > best.high ? each : best);
}

function arrange(data, layout, {columns, rows, high}) { // scenes, with their titles and the bar of the last one
  const [wide, share] = [1 / columns, high / (rows * (high + TITLE))];
  scenes(layout).forEach((name, k) => {
    const [left, top] = [(k % columns) * wide, 1 - (Math.floor(k / columns) + 1) / rows + share];
    layout[name].domain = {x: [left, left + wide], y: [top - share, top]};
    Object.assign(layout.annotations[k], {x: left + wide / 2, y: top});
  });
  for (const {marker} of data) if (marker?.colorbar) Object.assign(marker.colorbar, {len: 0.95 * share, y: 0});
}

function fitted(layout) {
  for (const name of scenes(layout)) {
    const {width, margin: {l, r}, [name]: {domain: {x: [left, right]}, aspectratio: {x: zoom}}} = layout;
    const fit = zoom * Math.min(1, (right - left) * (width - l - r) / LEGIBLE);
    layout[name].aspectratio = {x: fit, y: fit, z: fit};
  }
}

function turned(eye, [azimuth, elevation]) {
  const [flat, length] = [Math.hypot(eye.x, eye.y), Math.hypot(eye.x, eye.y, eye.z)];
  const around = Math.atan2(eye.y, eye.x) + azimuth;
  const up = Math.max(-1.5, Math.min(1.5, Math.atan2(eye.z, flat) + elevation));
  const across = length * Math.cos(up);
  return {x: across * Math.cos(around), y: across * Math.sin(around), z: length * Math.sin(up)};
}

async function render({model, el}) {
  const [drawn, {ratio, extra, most}] = [await part(model, "_drawn"), model.get("_size")];
  const name = model.get("_group") || model.model_id;
  if (!groups.has(name)) groups.set(name, {view: {}, members: new Set()});
  const group = groups.get(name);
  const plot = el.appendChild(document.createElement("div"));
  let drawing = false, outdated = false, removed = false, turning = false, watched = false, width = 0, Plotly;

  function height(layout) {
    const [room, highest] = [el.clientWidth, most * window.innerHeight];
    if (scenes(layout).length === 0) return Math.round(Math.min(ratio * room + extra, highest));
    const {rows, high} = grid(layout, room, highest);
    return Math.round(rows * (high + TITLE));
  }

  function tell(number) { // the kernel, which waits with the next picture
    if (drawn.get("shown") === number) return;
    drawn.set("shown", number);
    drawn.save_changes();
  }

  async function draw() {
    outdated = true;
    if (el.clientWidth === 0) tell(drawn.get("number"));
    if (drawing || el.clientWidth === 0) return;
    drawing = true;
    try {
      plot.style.height = `${height(drawn.get("figure").layout)}px`; // its place, before there is anything to see
      Plotly = await library(model);
      while (outdated && !removed && el.clientWidth > 0) await drawOnce();
    } finally {
      drawing = false;
    }
  }

  async function drawOnce() {
    outdated = false;
    const number = drawn.get("number");
    const {data, layout} = themed(el, structuredClone(drawn.get("figure")));
    width = layout.width = el.clientWidth;
    layout.height = height(layout);
    plot.style.height = `${layout.height}px`;
    if (scenes(layout).length) arrange(data, layout, grid(layout, width, most * window.innerHeight));
    fitted(layout);
    for (const scene of scenes(layout)) Object.assign(layout[scene], group.view);
    await Plotly.react(plot, data, layout, {displayModeBar: false});
    el.setAttribute("aria-label", drawn.get("label"));
    if (!watched) watch();
    if (removed || el.clientWidth === 0) release(); // hidden meanwhile
    await new Promise(requestAnimationFrame);
    tell(number);
  }

  function watch() {
    watched = true;
    if (scenes(plot.layout).length) el.tabIndex = 0;
    for (const event of ["plotly_relayouting", "plotly_relayout"]) plot.on(event, (change) => {
      if (turning) return;
      for (const [key, value] of Object.entries(change)) {
        const [scene, property] = key.split(".");
        if (["camera", "aspectratio"].includes(property)) share({[property]: value}, scene);
      }
    });
  }

  function release() { // a hidden figure gives its scenes' memory back, of which a browser has little
    if (watched) Plotly.purge(plot);
    watched = false;
    width = 0;
  }

  function share(view, moved) {
    Object.assign(group.view, view);
    for (const member of group.members) member(view, member === turn ? moved : undefined);
  }

  async function turn(view, moved) { // all scenes but the one that was moved by hand
    const change = {};
    for (const scene of scenes(plot.layout ?? {})) {
      if (scene !== moved) for (const key of Object.keys(view)) change[`${scene}.${key}`] = view[key];
    }
    if (Object.keys(change).length === 0 || !watched) return;
    turning = true;
    await Plotly.relayout(plot, change);
    turning = false;
  }

  const resized = new ResizeObserver(() => {
    if (el.clientWidth === 0) release();
    else if (el.clientWidth !== width) draw();
  });
  const recoloured = new MutationObserver(() => setTimeout(draw, 300)); // the theme's colours come after its name
  el.setAttribute("role", "img");
  el.classList.add("dpskit-figure"); // said here, because a busy page can lose the layout that the kernel sets
  Object.assign(el.style, {width: "100%", minWidth: "0", overflow: "hidden"});
  el.addEventListener("keydown", (event) => {
    const scene = ARROWS[event.key] && watched && scenes(plot.layout)[0];
    if (!scene) return;
    event.preventDefault();
    event.stopPropagation();
    const camera = plot.layout[scene].camera;
    share({camera: {...camera, eye: turned(camera.eye, ARROWS[event.key])}});
  });
  el.addEventListener("touchend", ({target}) => { // plotly notes what a mouse has turned, but not what a finger has
    if (target.matches("canvas")) requestAnimationFrame(() => target.dispatchEvent(new MouseEvent("mouseup")));
  });
  group.members.add(turn);
  drawn.on("change:number", draw);
  resized.observe(el);
  recoloured.observe(document.body, {attributeFilter: ["data-jp-theme-light"]});
  draw();
  return () => {
    removed = true;
    group.members.delete(turn);
    drawn.off("change:number", draw);
    resized.disconnect();
    recoloured.disconnect();
    release();
  };
}

export default {render};
