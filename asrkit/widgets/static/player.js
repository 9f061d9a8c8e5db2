// One clip: hear it, see it, and what was recognised in it.

const STEP = 1; // seconds that an arrow key moves
const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3];

async function render({ model, el }) {
  const cleanup = new Cleanup();
  const channel = new Channel(model, cleanup);
  const store = new ClipStore(channel, cleanup);
  const transport = new Transport(store, cleanup);
  const status = new Status("opening the sound …");
  const { id, title, about } = model.get("item");
  const wave = new Waveform(transport, cleanup, { onselect: (stretch) => choose(stretch) });
  const whole = new Waveform(transport, cleanup, { label: "the whole recording", onselect: (stretch) => choose(stretch) });
  whole.el.classList.add("ak-overview");
  whole.el.hidden = true;
  const melCanvas = h("canvas", { role: "img", "aria-label": "mel spectrogram" });
  const mel = h("div", { class: "ak-mel", hidden: true }, melCanvas);
  const words = h("div");
  const pairs = h("div");
  let line = null;
  let lines = [];
  let from = null; // where a selection by keys begins
  let last = null; // what was selected last

  // -- what can be pressed

  const playing = button("▶ Play", "play or pause (Space)", () => transport.toggle(), { class: "ak-button ak-main" });
  const looping = button("⟲ Loop", "repeat what is selected (L)", () => loop(), { "aria-pressed": "false" });
  const drawing = button("Spectrogram", "show the mel spectrogram (S)", () => spectrogram(), { "aria-pressed": "false" });
  const slower = button("−", "slower (,)", () => faster(-1), { "aria-label": "slower" });
  const quicker = button("+", "faster (.)", () => faster(1), { "aria-label": "faster" });
  const speed = h("span", { class: "ak-number", "aria-live": "polite" }, "1×");
  const time = h("span", { class: "ak-number ak-soft" }, "0:00.0");
  const keys = h("details", {}, h("summary", { title: "(?)" }, "Keys"), keyList([
    ["Space", "play or pause"], ["← →", "1 s back or on"], ["Shift ← →", "5 s"], ["Home End", "start, end"],
    ["[ ]", "word before, after"], ["↑ ↓", "line before, after"], [", .", "slower, faster"], ["I O", "select from, to here"],
    ["L", "loop it, or the line"], ["Esc", "select nothing"], ["S", "spectrogram"], ["?", "these keys"],
  ]));

  const faster = (by) => {
    const now = SPEEDS.findIndex((value) => value >= transport.speed - 0.001);
    transport.speed = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, now + by))];
  };
  const choose = (stretch) => {
    transport.loop = stretch;
    last = transport.loop ?? last;
    if (transport.loop) transport.seek(transport.loop[0]);
  };
  // What was selected, else the line that is spoken.
  const loop = () => {
    if (transport.loop) { choose(null); return; }
    const now = lines[lastBefore(lines.map((one) => one.start), transport.position)];
    if (last || now) choose(last ?? [now.start, now.end]);
    else status.say("nothing is selected: drag over the waveform, or press I and then O");
  };
  const jump = (seconds) => { if (seconds !== undefined) transport.seek(seconds); };

  const actions = {
    " ": () => transport.toggle(),
    ArrowLeft: (event) => transport.seek(transport.position - (event.shiftKey ? 5 : STEP)),
    ArrowRight: (event) => transport.seek(transport.position + (event.shiftKey ? 5 : STEP)),
    ArrowUp: () => jump(line?.step(-1, "lines")),
    ArrowDown: () => jump(line?.step(1, "lines")),
    Home: () => transport.seek(0),
    End: () => transport.seek(transport.duration),
    "[": () => jump(line?.step(-1)),
    "]": () => jump(line?.step(1)),
    ",": () => faster(-1),
    ".": () => faster(1),
    i: () => { from = transport.position; status.say(`selecting from ${clock(from, 2)}: press O at its end`); },
    o: () => choose([from ?? 0, transport.position]),
    l: () => loop(),
    Escape: () => { from = last = null; choose(null); },
    s: () => spectrogram(),
    "?": () => { keys.open = !keys.open; },
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOfControl = event.target.matches("button, summary") && [" ", "Enter"].includes(event.key);
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action || isOfControl) return;
    event.preventDefault();
    action(event);
  };

  const root = h("section", { class: "ak ak-widget ak-player", tabindex: "0", "aria-label": `player: ${title}`,
    on: { keydown: pressed } },
    h("p", { class: "ak-title", dir: "auto" }, title, about ? h("span", { class: "ak-note" }, ` ${about}`) : null),
    whole.el, wave.el, mel,
    h("div", { class: "ak-bar" }, playing, time, h("span", { class: "ak-bar-gap" }), slower, speed, quicker, looping, drawing),
    status.el, words, pairs, keys);
  guardKeys(root);
  el.append(root);
  cleanup.add(() => root.remove());

  // -- what happens

  transport.on("state", (isPlaying) => {
    playing.textContent = isPlaying ? "❚❚ Pause" : "▶ Play";
    if (isPlaying && status.el.dataset.kind === "bad") status.say(ready());
  });
  transport.on("speed", (value) => { speed.textContent = `${value}×`; });
  transport.on("position", (seconds) => {
    time.textContent = `${clock(seconds)} / ${clock(transport.duration)}`;
  });
  transport.on("loop", (stretch) => {
    looping.setAttribute("aria-pressed", String(Boolean(stretch)));
    if (stretch) status.say(`repeats ${clock(stretch[0], 2)} to ${clock(stretch[1], 2)}`);
    else if (transport.clip) status.say(ready());
  });
  transport.on("error", (error) => status.say(error.message, "bad"));
  transport.on("clip", (clip) => {
    wave.show(clip.peaks, clip.start, Math.min(clip.end, clip.start + (clip.whole ? clip.end : clip.window)));
    if (!transport.loop) status.say(ready());
    if (!clip.whole && whole.el.hidden) overview();
    if (!mel.hidden) draw();
  });
  channel.on("slow", () => status.say("no answer from the kernel yet: it is busy, or gone", "busy"));
  channel.on("answer", () => { if (status.el.dataset.kind === "busy" && !channel.isWaiting) status.say(ready()); });

  const ready = () => [clipWarnings(), "ready"].filter(Boolean).join(" · ");
  const clipWarnings = () => (transport.clip?.warnings ?? []).join("; ");

  // Peaks of a long recording come piece by piece, so that questions for sound get their turn between.
  const overview = async () => {
    whole.el.hidden = false;
    try {
      for (let isDone = false; !isDone && !cleanup.isOver;) {
        const { content, buffers } = await channel.ask({ op: "overview", item_id: id });
        whole.show(new Int8Array(buffers[0].slice().buffer), 0, content.duration, content.until);
        isDone = content.done;
      }
    } catch (error) {
      status.say(`no overview: ${error.message}`, "bad");
    }
  };

  const spectrogram = () => {
    mel.hidden = !mel.hidden;
    drawing.setAttribute("aria-pressed", String(!mel.hidden));
    if (!mel.hidden) draw();
  };
  const draw = async () => {
    const { clip } = transport;
    if (!clip) return;
    const end = clip.whole ? clip.end : clip.start + clip.window;
    try {
      const { content, buffers } = await channel.ask({ op: "mel", item_id: id, start: clip.start, end });
      if (transport.clip === clip) drawMel(melCanvas, content, buffers[0]);
    } catch (error) {
      status.say(`no spectrogram: ${error.message}`, "bad");
    }
  };

  const texts = async () => {
    try {
      const { content } = await channel.ask({ op: "item", item_id: id });
      if (cleanup.isOver) return;
      lines = content.lines;
      if (content.words.text.length || content.lines.length) {
        line = new WordLine(content.words, transport, { lines: content.lines, unsure: content.unsure,
          lang: content.language });
        words.append(line.el);
      } else if (content.hypothesis) words.append(h("p", { class: "ak-caption", dir: "auto" }, content.hypothesis));
      if (content.aligned) {
        pairs.append(h("p", { class: "ak-note" }, "reference above, ", h("bdi", {}, content.aligned.name), ` below · ${content.aligned.told}`),
          diff(content.aligned));
      } else if (content.reference) {
        pairs.append(h("p", { class: "ak-note" }, "reference"), h("p", { dir: "auto" }, content.reference));
      }
    } catch (error) {
      if (error.code !== "over") status.say(error.message, "bad");
    }
  };

  transport.open(id);
  texts();
  return () => cleanup.run();
}

export default { render };
