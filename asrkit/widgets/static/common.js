// What all widgets share. There is no state here beside classes: a notebook evaluates this once for each widget.

// ---- elements

const FOCUSABLE = new Set(["a", "audio", "button", "input", "select", "summary", "textarea"]);

// The only way to make an element. Text is text, never HTML; what can take the focus keeps its keys from the notebook:
// Lumino looks for the attribute on the very element that has the focus.
function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "style") Object.assign(element.style, value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  if (FOCUSABLE.has(tag) || (props && "tabindex" in props)) element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

const button = (label, title, onclick, props = {}) =>
  h("button", { type: "button", class: "ak-button", title, ...props, on: { click: onclick } }, label);

// No key leaves the widget, except those of the clipboard and of undoing, which the browser itself answers.
function guardKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!((event.ctrlKey || event.metaKey) && "cvxazy".includes(event.key.toLowerCase()))) event.stopPropagation();
  });
}

// What has to be undone when the cell's output goes away.
class Cleanup {
  #steps = [];
  isOver = false;
  add(step) { this.#steps.push(step); return step; }
  listen(target, event, listener, options) {
    target.addEventListener(event, listener, options);
    this.add(() => target.removeEventListener(event, listener, options));
  }
  run() {
    this.isOver = true;
    for (const step of this.#steps.splice(0).reverse()) {
      try { step(); } catch (error) { console.warn("asrkit:", error); }
    }
  }
}

// Calls listeners by an event's name.
class Emitter {
  #listeners = {};
  on(event, listener) { (this.#listeners[event] ??= []).push(listener); return this; }
  emit(event, ...told) { for (const listener of this.#listeners[event] ?? []) listener(...told); }
}

const isMac = /mac|iphone|ipad/i.test(navigator.userAgentData?.platform ?? navigator.platform ?? "");

function clock(seconds, digits = 1) {
  const tenths = Math.max(0, Math.round(seconds * 10 ** digits));
  const whole = Math.floor(tenths / 10 ** digits);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  const part = digits ? `.${String(tenths % 10 ** digits).padStart(digits, "0")}` : "";
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(rest)}${part}`;
}

// ---- Python

// DataView in Jupyter, ArrayBuffer in Colab, typed arrays elsewhere.
function bytesOf(buffer) {
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  if (ArrayBuffer.isView(buffer)) return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  return new Uint8Array(buffer?.buffer ?? buffer);
}

const GONE = "the kernel does not answer: it is gone, or the page has lost it";

// Questions to Python and their answers. Events: "slow" (no answer for two seconds), "answer", and the op of every
// message that Python sends by itself.
class Channel extends Emitter {
  #model;
  #waiting = new Map();
  #name = Math.random().toString(36).slice(2, 10); // other views of this widget hear the answers too
  #count = 0;
  constructor(model, cleanup, { patience = 2000 } = {}) {
    super();
    this.#model = model;
    this.patience = patience;
    const heard = (content, buffers) => this.#heard(content, (buffers ?? []).map(bytesOf));
    model.on("msg:custom", heard);
    cleanup.add(() => {
      model.off("msg:custom", heard);
      for (const { timer } of this.#waiting.values()) clearTimeout(timer);
      this.#waiting.clear();
    });
  }
  // Gives { content, buffers }; fails with an Error whose `code` and `message` are those of Python's, or "gone".
  ask(message, buffers = []) {
    const ask = `${this.#name}-${this.#count++}`;
    return new Promise((done, failed) => {
      // First the timer: sending to a dead kernel may throw, and may not.
      const timer = setTimeout(() => this.emit("slow", message), this.patience);
      this.#waiting.set(ask, { done, failed, timer });
      try {
        this.#model.send({ ...message, ask }, undefined, buffers);
      } catch (error) {
        this.#waiting.delete(ask);
        clearTimeout(timer);
        failed(Object.assign(new Error(`${GONE} (${error.message})`), { code: "gone" }));
      }
    });
  }
  // Without waiting for an answer. Tells whether it could be sent.
  tell(message) {
    try {
      this.#model.send(message);
      return true;
    } catch {
      return false;
    }
  }
  get isWaiting() { return this.#waiting.size > 0; }
  #heard(content, buffers) {
    const waiting = this.#waiting.get(content?.ask);
    if (content?.ask === undefined) this.emit(content?.op, content, buffers);
    if (!waiting) return;
    this.#waiting.delete(content.ask);
    clearTimeout(waiting.timer);
    if (content.op === "error") {
      waiting.failed(Object.assign(new Error(content.message), { code: content.code, of: content.of }));
    } else waiting.done({ content, buffers });
    this.emit("answer", content);
  }
}

// Messages that Python has not acknowledged, kept through a reload of the page where the browser lets us.
class Outbox {
  #key;
  #kept = new Map();
  isStored = true;
  constructor(key) {
    this.#key = `asrkit:${key}`;
    try {
      this.#kept = new Map(JSON.parse(localStorage.getItem(this.#key) ?? "[]"));
    } catch {
      this.isStored = false; // refused in some frames; then they are kept as long as the page
    }
  }
  put(id, message) { this.#kept.set(id, message); this.#store(); }
  drop(id) { if (this.#kept.delete(id)) this.#store(); }
  get messages() { return [...this.#kept.values()]; }
  get size() { return this.#kept.size; }
  #store() {
    try {
      if (this.#kept.size) localStorage.setItem(this.#key, JSON.stringify([...this.#kept]));
      else localStorage.removeItem(this.#key);
      this.isStored = true;
    } catch {
      this.isStored = false;
    }
  }
}

// What happens, in words. Kinds: "ok", "busy", "bad".
class Status {
  constructor(text = "") {
    this.el = h("p", { class: "ak-status", role: "status" }, text);
  }
  say(text, kind = "ok") {
    if (this.el.textContent !== text) this.el.textContent = text;
    this.el.dataset.kind = kind;
  }
}

// ---- sound

// Sounds from Python as Blob URLs; the last few are kept.
class ClipStore {
  #channel;
  #kept = new Map(); // key -> promise of a clip, oldest first
  #urls = new Map(); // key -> URL
  #keep;
  inUse = null; // key of the clip that plays
  constructor(channel, cleanup, { keep = 8 } = {}) {
    this.#channel = channel;
    this.#keep = keep;
    cleanup.add(() => {
      this.#urls.forEach((url) => URL.revokeObjectURL(url));
      this.#urls.clear();
      this.#kept.clear();
      this.#channel = null;
    });
  }
  static key(id, at = 0) { return `${JSON.stringify(id)}@${at}`; }
  // The clip, of a long one the window that begins at second `at`:
  // { key, id, url, start, end, duration, whole, window, warnings, peaks }.
  get(id, at = 0) {
    const key = ClipStore.key(id, at);
    const kept = this.#kept.get(key) ?? this.#fetch(key, id, at);
    this.#kept.delete(key);
    this.#kept.set(key, kept); // the youngest now
    return kept;
  }
  has(id, at = 0) { return this.#urls.has(ClipStore.key(id, at)); }
  prefetch(id, at = 0) { this.get(id, at).catch(() => {}); } // who asks for it again hears of the error
  #fetch(key, id, at) {
    const asked = this.#channel.ask({ op: "clip", item_id: id, at }).then(({ content, buffers }) => {
      if (!this.#channel) throw Object.assign(new Error("the widget is gone"), { code: "over" });
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "audio/wav" }));
      this.#urls.set(key, url);
      this.#trim();
      const peaks = new Int8Array(buffers[1].buffer, buffers[1].byteOffset, buffers[1].byteLength);
      return { ...content, key, id, url, peaks };
    });
    asked.catch(() => this.#kept.delete(key)); // asked again next time
    return asked;
  }
  #trim() {
    for (const key of this.#kept.keys()) {
      if (this.#urls.size <= this.#keep) return;
      if (key === this.inUse || !this.#urls.has(key)) continue;
      URL.revokeObjectURL(this.#urls.get(key));
      this.#urls.delete(key);
      this.#kept.delete(key);
    }
  }
}

const MEDIA_ERRORS = ["", "it was stopped", "it could not be read", "it could not be decoded", "it was refused"];

// Plays one clip at a time. Events: "position" (seconds), "state" (playing or not), "clip" (a clip or a window of it
// is there), "opening" (an id), "speed", "loop", "error" (an Error).
class Transport extends Emitter {
  #store;
  #audio = new Audio();
  #turn = 0; // of openings and seeks: an answer to an earlier one is for the cache only
  #wanted = null; // the second that is being fetched
  #frame = null;
  #speed = 1;
  #loop = null;
  #refused = null; // what the page's policy said
  #isAsked = false; // to play what is still on its way
  id = null;
  clip = null;
  duration = 0;
  constructor(store, cleanup) {
    super();
    this.#store = store;
    const audio = this.#audio;
    audio.preservesPitch = true;
    audio.preload = "auto";
    const heard = {
      play: () => this.#state(),
      playing: () => this.#run(),
      pause: () => this.#state(),
      seeked: () => this.#tell(),
      timeupdate: () => this.#tick(), // frames stand still in a hidden tab
      ended: () => this.#ended(),
      error: () => this.#failed(),
    };
    for (const [event, listener] of Object.entries(heard)) cleanup.listen(audio, event, listener);
    cleanup.listen(document, "securitypolicyviolation", (event) => {
      if (event.effectiveDirective === "media-src") this.#refused = event.effectiveDirective;
    });
    cleanup.listen(document, "asrkit-play", (event) => { if (event.detail !== this) this.pause(); });
    cleanup.add(() => {
      this.#turn++;
      cancelAnimationFrame(this.#frame);
      audio.pause();
      audio.removeAttribute("src");
      audio.load();
    });
  }
  get position() {
    if (this.#wanted !== null) return this.#wanted;
    return this.clip ? Math.min(this.clip.start + this.#audio.currentTime, this.duration) : 0;
  }
  get isPlaying() { return !this.#audio.paused; }
  get speed() { return this.#speed; }
  set speed(value) {
    this.#speed = Math.min(3, Math.max(0.25, value));
    this.#audio.defaultPlaybackRate = this.#audio.playbackRate = this.#speed;
    this.#audio.preservesPitch = true;
    this.emit("speed", this.#speed);
  }
  get loop() { return this.#loop; }
  // [start, end] in seconds, or null.
  set loop(stretch) {
    this.#loop = stretch && stretch[1] - stretch[0] >= 0.05 ? stretch : null;
    this.emit("loop", this.#loop);
  }
  // Shows a clip; it is silent until `play` is called.
  async open(id, { at = 0, play = false } = {}) {
    this.pause();
    this.id = id;
    this.clip = null;
    this.duration = 0;
    this.loop = null;
    this.emit("opening", id);
    await this.#fetch(0, at, play);
  }
  play(from) {
    if (from !== undefined) this.seek(from);
    if (!this.clip) {
      if (this.id !== null && this.#wanted === null) this.#fetch(0, 0, true); // it failed; perhaps it is there now
      else this.#isAsked = true;
      return;
    }
    if (from === undefined && this.#wanted === null) {
      const [start, end] = this.#loop ?? [0, this.duration];
      if (this.position >= end - 0.01 || (this.#loop && this.position < start)) this.seek(start);
    }
    document.dispatchEvent(new CustomEvent("asrkit-play", { detail: this }));
    this.#play();
  }
  pause() {
    this.#isAsked = false;
    this.#audio.pause();
  }
  toggle() { if (this.isPlaying || this.#isAsked) this.pause(); else this.play(); }
  seek(seconds) {
    if (!this.clip) return;
    const at = Math.min(Math.max(seconds, 0), this.duration);
    const { start, end, whole, window } = this.clip;
    if (whole || (at >= start && at < Math.min(end, start + window))) {
      this.#turn++;
      this.#wanted = null;
      this.#audio.currentTime = Math.max(0, at - start);
      this.#tell();
    } else this.#fetch(this.#windowAt(at), at, this.isPlaying);
  }
  #windowAt(at) {
    const { window } = this.clip;
    return Math.floor(Math.min(at, Math.max(0, this.duration - 0.001)) / window) * window;
  }
  async #fetch(window, at, play) {
    const turn = ++this.#turn;
    this.#wanted = at;
    this.#tell();
    try {
      const clip = await this.#store.get(this.id, window);
      if (turn !== this.#turn) return;
      if (!clip.whole && at >= Math.min(clip.end, clip.start + clip.window) && at < clip.duration) {
        this.clip = clip;
        this.duration = clip.duration;
        await this.#fetch(this.#windowAt(at), at, play);
      } else this.#load(clip, at, play);
    } catch (error) {
      if (turn !== this.#turn || error.code === "over") return;
      this.#wanted = null;
      this.pause();
      this.emit("error", error);
    }
  }
  #load(clip, at, play) {
    this.clip = clip;
    this.duration = clip.duration;
    this.#wanted = null;
    this.#store.inUse = clip.key;
    this.#audio.src = clip.url;
    this.speed = this.#speed;
    this.#audio.currentTime = Math.max(0, at - clip.start);
    this.emit("clip", clip);
    this.#tell();
    if (play || this.#isAsked) this.#play();
    this.#isAsked = false;
  }
  #play() {
    const turn = this.#turn;
    this.#audio.play().catch((error) => {
      if (error.name === "AbortError" || turn !== this.#turn || this.#audio.error) return;
      const told = error.name === "NotAllowedError"
        ? "the browser plays no sound before a click or a key in this page: press play again"
        : `the browser does not play this: ${error.message}`;
      this.emit("error", Object.assign(new Error(told), { code: error.name }));
    });
  }
  #failed() {
    if (!this.#audio.getAttribute("src")) return;
    const { code, message } = this.#audio.error ?? { code: 0, message: "" };
    const why = this.#refused
      ? "the page's content policy forbids it: it needs media-src blob: (see your Jupyter server's settings)"
      : `${MEDIA_ERRORS[code] || "no reason was told"}${message ? ` (${message})` : ""}`;
    this.emit("error", Object.assign(new Error(`the browser does not play this sound: ${why}`), { code: "media" }));
  }
  #state() {
    this.emit("state", this.isPlaying);
    if (this.isPlaying) this.#run();
    else this.#tell();
  }
  #run() {
    cancelAnimationFrame(this.#frame);
    const step = () => {
      this.#tick();
      if (this.isPlaying) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }
  #tick() {
    if (!this.clip || this.#wanted !== null) return;
    const at = this.position;
    const { start, whole, window } = this.clip;
    if (this.#loop && this.isPlaying && at >= this.#loop[1]) this.seek(this.#loop[0]);
    else if (!whole && this.isPlaying) {
      const next = start + window;
      if (next < this.duration && at > next - 20) this.#store.prefetch(this.id, next);
      if (next < this.duration && at >= next) this.#fetch(next, at, true);
    }
    this.#tell();
  }
  #ended() {
    const at = this.position;
    if (this.#loop) this.play(this.#loop[0]);
    else if (this.clip && !this.clip.whole && at < this.duration - 0.05) this.#fetch(this.#windowAt(at), at, true);
    else this.#state();
  }
  #tell() { this.emit("position", this.position); }
}

// ---- pictures

// Calls back when colours may have changed: the system's theme, JupyterLab's, marimo's.
function onTheme(cleanup, callback) {
  const query = matchMedia("(prefers-color-scheme: dark)");
  cleanup.listen(query, "change", callback);
  const observer = new MutationObserver(callback);
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-theme"] });
  }
  cleanup.add(() => observer.disconnect());
}

// A canvas with the peaks of [start, end], the playhead and the selection over it. Click seeks, a drag selects.
// `onselect` is told [start, end] or null.
class Waveform {
  #canvas = h("canvas", { class: "ak-wave-canvas", "aria-hidden": "true" });
  #head = h("div", { class: "ak-playhead", hidden: true });
  #chosen = h("div", { class: "ak-chosen", hidden: true });
  #transport;
  #peaks = new Int8Array();
  #covered = 0; // the second up to which there are peaks
  start = 0;
  end = 0;
  constructor(transport, cleanup, { label = "waveform", onselect = () => {} } = {}) {
    this.#transport = transport;
    this.el = h("div", {
      class: "ak-wave", tabindex: "0", role: "slider", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "0",
      "aria-valuenow": "0", "aria-valuetext": "no sound yet",
    }, this.#canvas, this.#chosen, this.#head);
    const resized = new ResizeObserver(() => this.#draw());
    resized.observe(this.el);
    cleanup.add(() => resized.disconnect());
    onTheme(cleanup, () => this.#draw());
    let from = null;
    const at = (event) => {
      const box = this.el.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return this.start + share * (this.end - this.start);
    };
    const far = (event) => Math.abs(event.clientX - from.x) > 4;
    this.el.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.end <= this.start) return;
      from = { x: event.clientX, at: at(event) };
      this.el.setPointerCapture(event.pointerId);
    });
    this.el.addEventListener("pointermove", (event) => {
      if (from && far(event)) this.select([from.at, at(event)].sort((one, two) => one - two));
    });
    this.el.addEventListener("pointerup", (event) => {
      if (!from) return;
      if (far(event)) onselect([from.at, at(event)].sort((one, two) => one - two));
      else transport.seek(at(event));
      from = null;
    });
    this.el.addEventListener("pointercancel", () => { from = null; });
    transport.on("position", (seconds) => this.#move(seconds));
    transport.on("loop", (stretch) => this.select(stretch));
  }
  // Peaks of [start, end]; `covered` where there are none yet beyond that second.
  show(peaks, start, end, covered = end) {
    Object.assign(this, { start, end });
    this.#peaks = peaks;
    this.#covered = covered;
    this.#draw();
    this.select(this.#transport.loop);
    this.#move(this.#transport.position);
  }
  select(stretch) {
    const length = this.end - this.start;
    const is = Boolean(stretch) && length > 0 && stretch[1] > this.start && stretch[0] < this.end;
    this.#chosen.hidden = !is;
    if (!is) return;
    const [left, right] = stretch.map((at) => Math.min(1, Math.max(0, (at - this.start) / length)));
    Object.assign(this.#chosen.style, { left: `${left * 100}%`, width: `${(right - left) * 100}%` });
  }
  #move(seconds) {
    const length = this.end - this.start;
    this.#head.hidden = !(length > 0) || seconds < this.start || seconds > this.end;
    if (!this.#head.hidden) this.#head.style.left = `${(seconds - this.start) / length * 100}%`;
    const { duration } = this.#transport;
    const now = seconds.toFixed(1);
    if (this.el.getAttribute("aria-valuenow") === now) return;
    this.el.setAttribute("aria-valuenow", now);
    this.el.setAttribute("aria-valuemax", duration.toFixed(1));
    this.el.setAttribute("aria-valuetext", `${clock(seconds)} of ${clock(duration)}`);
  }
  #draw() {
    const width = this.el.clientWidth;
    const height = this.el.clientHeight;
    if (!width || !height) return;
    const scale = window.devicePixelRatio || 1;
    Object.assign(this.#canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    const context = this.#canvas.getContext("2d");
    context.fillStyle = getComputedStyle(this.#canvas).color;
    const bins = this.#peaks.length / 2;
    const middle = this.#canvas.height / 2;
    const covered = this.end > this.start ? (this.#covered - this.start) / (this.end - this.start) : 0;
    const columns = this.#canvas.width * Math.min(1, covered);
    let loudest = 8; // of 127: what is softer stays soft
    for (const value of this.#peaks) loudest = Math.max(loudest, Math.abs(value));
    for (let column = 0; column < columns && bins; column++) {
      const first = Math.floor(column / columns * bins);
      const last = Math.max(first + 1, Math.floor((column + 1) / columns * bins));
      let [low, high] = [127, -127];
      for (let bin = first; bin < last && bin < bins; bin++) {
        low = Math.min(low, this.#peaks[2 * bin]);
        high = Math.max(high, this.#peaks[2 * bin + 1]);
      }
      const [top, bottom] = [middle - high / loudest * middle * 0.94, middle - low / loudest * middle * 0.94];
      context.fillRect(column, top, 1, Math.max(scale, bottom - top));
    }
  }
}

const SHADES = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39],
  [252, 255, 164]]; // matplotlib's "inferno", at eight places

// Draws { bands, columns } shades, lowest band first, over the whole canvas.
function drawMel(canvas, { bands, columns }, shades) {
  Object.assign(canvas, { width: columns, height: bands });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, bands);
  const colours = Array.from({ length: 256 }, (_, shade) => {
    const place = shade / 255 * (SHADES.length - 1);
    const [below, above] = [SHADES[Math.floor(place)], SHADES[Math.ceil(place)]];
    return below.map((value, part) => value + (above[part] - value) * (place % 1));
  });
  for (let band = 0; band < bands; band++) {
    for (let column = 0; column < columns; column++) {
      const [red, green, blue] = colours[shades[band * columns + column]];
      image.data.set([red, green, blue, 255], 4 * ((bands - 1 - band) * columns + column));
    }
  }
  context.putImageData(image, 0, 0);
}

// ---- words

// Index of the last start that is not after `at`, or -1.
function lastBefore(starts, at) {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const JUST_AFTER = 0.001; // seconds: a seek to the very start of a word may land before it

// Words that light up as they are spoken; a click on one plays from there.
// `words` is { text, start, end, confidence }, four lists; `lines` is a list of { start, end, from, to } that says which
// words make a caption line (`voice` names who speaks in it, where that is known), or nothing for one line. A word of less than `unsure` is marked.
class WordLine {
  #words;
  #spans = [];
  #rows = [];
  #starts; // of the lines
  #lit = -1;
  #row = -1;
  #transport;
  constructor(words, transport, { lines = [], unsure = 0.5, lang } = {}) {
    this.#words = words;
    this.#starts = lines.map((line) => line.start);
    this.#transport = transport;
    this.el = h("div", { class: "ak-words", dir: "auto", lang });
    const span = (number) => {
      const isUnsure = words.confidence?.[number] != null && words.confidence[number] < unsure;
      const told = isUnsure ? `confidence ${Math.round(words.confidence[number] * 100)} %` : undefined;
      const made = h("span", { class: isUnsure ? "ak-word ak-unsure" : "ak-word", title: told,
        dataset: { word: number } }, words.text[number]);
      this.#spans[number] = made;
      return made;
    };
    const spaced = (from, to) => {
      const parts = [];
      for (let number = from; number < to; number++) parts.push(span(number), words.gap?.[number] ?? " ");
      return parts;
    };
    if (!lines.length) this.el.append(h("p", { class: "ak-caption", dir: "auto" }, ...spaced(0, words.text.length)));
    for (const [number, line] of lines.entries()) {
      const text = line.to > line.from ? spaced(line.from, line.to) : [line.text];
      const row = h("p", { class: "ak-caption", dataset: { line: number } },
        h("span", { class: "ak-time", title: "play from here" }, clock(line.start)),
        ...(line.voice ? [h("span", { class: "ak-voice", dir: "auto" }, line.voice)] : []),
        h("span", { dir: "auto", lang }, ...text));
      this.#rows.push(row);
      this.el.append(row);
    }
    this.el.addEventListener("click", (event) => {
      const marked = getSelection();
      if (marked && !marked.isCollapsed && this.el.contains(marked.anchorNode)) return; // to be copied
      const word = event.target.closest?.("[data-word]");
      const line = event.target.closest?.(".ak-time")?.parentElement;
      if (word) transport.play(words.start[word.dataset.word] + JUST_AFTER);
      else if (line) transport.play(lines[line.dataset.line].start + JUST_AFTER);
    });
    transport.on("position", (seconds) => this.#light(seconds));
  }
  get lit() { return this.#lit; }
  // The start of the word (or, of "lines", the line) that many further on; undefined where there is none.
  step(by, of = "words") {
    const starts = of === "lines" ? this.#starts : this.#words.start;
    const now = lastBefore(starts, this.#transport.position);
    const next = Math.max(0, now + by);
    return starts[next] === undefined ? undefined : starts[next] + JUST_AFTER;
  }
  #light(seconds) {
    const { start, end } = this.#words;
    const found = lastBefore(start, seconds);
    const lit = found >= 0 && seconds < end[found] ? found : -1;
    if (lit !== this.#lit) {
      this.#spans[this.#lit]?.classList.remove("ak-lit");
      this.#spans[lit]?.classList.add("ak-lit");
      this.#lit = lit;
    }
    const row = lastBefore(this.#starts, seconds);
    if (row === this.#row) return;
    this.#rows[this.#row]?.classList.remove("ak-now");
    this.#rows[row]?.classList.add("ak-now");
    this.#row = row;
    if (this.#transport.isPlaying) this.#reveal(this.#rows[row]);
  }
  #reveal(row) { // scrolls the box of the words, never the notebook
    if (!row) return;
    const box = this.el;
    const [top, bottom] = [row.offsetTop - box.offsetTop, row.offsetTop - box.offsetTop + row.offsetHeight];
    if (top < box.scrollTop || bottom > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 3;
  }
}

const SIGNS = { S: "≠", D: "−", I: "+" };
const TOLD = {
  S: (said, heard) => `substituted: ${said} was said, ${heard} was heard`,
  D: (said) => `deleted: ${said}`,
  I: (said, heard) => `inserted: ${heard}`,
};

// Reference above hypothesis, word by word, as Python's `Aligned.marks` has it; errors carry a colour and a sign.
function diff({ marks, unit, language, cut = 0 }, { reference = "said", hypothesis = "heard" } = {}) {
  const shown = (word) => (word && !word.trim() ? "␣" : word);
  const pairs = marks.map(([kind, said, heard]) => {
    const same = kind === "C" && said === heard;
    const above = h("bdi", { class: "ak-said" }, shown(said) ?? "");
    const below = h("bdi", { class: "ak-heard", "aria-hidden": same ? "true" : undefined }, shown(heard) ?? "");
    if (kind === "C" || !kind) return h("span", { class: "ak-pair" }, above, below, h("span", { class: "ak-sign" }));
    return h("span", { class: `ak-pair ak-${kind}`, role: "img", "aria-label": TOLD[kind](said, heard) },
      above, below, h("span", { class: "ak-sign", "aria-hidden": "true" }, SIGNS[kind]));
  });
  if (!pairs.length) pairs.push(h("span", { class: "ak-note" }, "(no words)"));
  if (cut) pairs.push(h("span", { class: "ak-note" }, ` … ${cut.toLocaleString()} more`));
  const first = marks.map(([, said, heard]) => said ?? heard ?? "").join(" ");
  return h("div", { class: unit === "character" ? "ak-pairs ak-letters" : "ak-pairs", dir: direction(first),
    lang: language, role: "group", "aria-label": `${reference} above, ${hypothesis} below` }, ...pairs);
}

// Which way a text runs, by its first letter that runs some way.
function direction(text) {
  const first = /\p{L}/u.exec(text)?.[0] ?? "";
  return /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/.test(first) ? "rtl" : "ltr";
}

// A list of keys, to be printed: [["Space", "play or pause"], ...].
function keyList(keys) {
  const list = h("dl", { class: "ak-keys" });
  for (const [key, what] of keys) list.append(h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)));
  return list;
}
