// Clips one after the other: hear one, correct its text, decide, and on to the next. Python writes every action to disk
// and then says so; until then the action is kept here, in this browser.

const DEBOUNCE = 250; // ms without a key, after which a text is saved
const SETTLE = 250; // ms after a clip has come in which nothing is decided about it: a second click was for the one before
const IDLE = 60_000; // ms without a key or a sound, after which a person is elsewhere
const AGAIN = 10_000; // ms after which what was not acknowledged is sent once more ...
const AGAIN_AT_MOST = 80_000; // ... and then after twice as long
const OPEN = ["todo", "draft"];
const AFTER = { edit: "draft", accept: "accepted", skip: "skipped", flag: "flagged" };
const STATUSES = { todo: "to do", draft: "draft", accepted: "accepted", skipped: "skipped", flagged: "flagged" };
const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3];
const ALT = isMac ? "⌥" : "Alt+";
const ENTER = isMac ? "⌘ Enter" : "Ctrl+Enter";

// What earlier views of this journal sent and nobody acknowledged.
function leftovers(prefix) {
  const found = [];
  try {
    for (let place = 0; place < localStorage.length; place++) {
      const key = localStorage.key(place);
      if (key.startsWith(`asrkit:${prefix}`)) found.push(new Outbox(key.slice("asrkit:".length)));
    }
  } catch {
    // a frame without storage keeps nothing
  }
  return found.sort((one, two) => one.messages[0]?.action.localeCompare(two.messages[0]?.action));
}

// How long a person works on something, without the time that they are elsewhere.
class Stopwatch {
  #since = performance.now();
  #seen = performance.now();
  #spent = 0;
  #isBusy;
  constructor(isBusy) { this.#isBusy = isBusy; }
  #count() {
    const now = performance.now();
    if (!document.hidden) {
      const end = this.#isBusy() ? now : Math.min(now, this.#seen + IDLE);
      this.#spent += Math.max(0, end - this.#since);
    }
    this.#since = now;
  }
  touch() { this.#count(); this.#seen = performance.now(); }
  shown() { this.#since = this.#seen = performance.now(); } // the page has come back
  hidden() { // called when the page has just been hidden: what was before counts
    const now = performance.now();
    this.#spent += Math.max(0, Math.min(now, this.#seen + IDLE) - this.#since);
    this.#since = now;
  }
  take() { this.touch(); const spent = this.#spent / 1000; this.#spent = 0; return Math.round(spent * 1000) / 1000; }
}

async function render({ model, el }) {
  const cleanup = new Cleanup();
  const channel = new Channel(model, cleanup);
  const store = new ClipStore(channel, cleanup);
  const transport = new Transport(store, cleanup);
  const watch = new Stopwatch(() => transport.isPlaying);
  const options = model.get("options");
  const view = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
  const prefix = `label:${options.box}:`;
  const outbox = new Outbox(prefix + view);
  const rows = new Map(); // what is known of rows, by id
  const pending = new Map(); // id -> how many of its actions are on their way
  let now = null; // the row that is shown
  let count = 0; // of actions
  let typed = null; // timer of the text that was typed and not sent yet
  let shownAt = -Infinity;
  let isWaiting = false; // for Python to say which row is next
  let trouble = null; // why something is not saved
  let isLate = false; // and that was said
  let delay = AGAIN;
  let isPlayingOn = true;

  // -- elements

  const status = new Status("opening …");
  const saved = h("span", { class: "ak-saved", "aria-hidden": "true" });
  const title = h("p", { class: "ak-title", dir: "auto" });
  const mark = h("span", { class: "ak-mark" });
  const number = h("input", { type: "number", min: "1", "aria-label": "clip number", title: "go to a clip by its number" });
  const total = h("span", { class: "ak-number" });
  const done = h("div", { class: "ak-progress", role: "progressbar", "aria-label": "rows decided", "aria-valuemin": "0" });
  const counts = h("p", { class: "ak-note ak-counts" });
  const wave = new Waveform(transport, cleanup, { onselect: (stretch) => loopOver(stretch) });
  const facts = h("dl", { class: "ak-facts", hidden: true });
  const area = h("textarea", { dir: "auto", rows: "3", spellcheck: "true", autocapitalize: "off", autocomplete: "off",
    "aria-label": "what is said in the clip", placeholder: "nothing is said, or nobody has written it down yet" });
  const others = h("div", { class: "ak-others" });
  const playing = button("▶ Play", `play or pause (${ALT}P, or Space outside the text)`, () => transport.toggle());
  const speed = h("span", { class: "ak-number", "aria-live": "polite" }, "1×");
  const time = h("span", { class: "ak-number ak-soft" }, "0:00.0");
  const looping = button("⟲ Loop", "repeat what is selected in the waveform (L outside the text)", () => loop(),
    { "aria-pressed": "false" });
  const onward = button("Play on", "play the next clip by itself", () => playOn(), { "aria-pressed": "true" });
  const large = button("A+", "large text (T outside the text)", () => enlarge(), { "aria-pressed": "false" });
  large.setAttribute("aria-label", "large text");
  const once = (action) => (event) => { if (event.detail < 2) action(); }; // the second click of two was for the row before
  const accept = button("✓ Accept", `this is what is said (${ENTER})`, once(() => decide("accept")),
    { class: "ak-button ak-main", "aria-keyshortcuts": "Control+Enter" });
  const skip = button("Skip", `not now (${ALT}S)`, once(() => decide("skip")), { "aria-keyshortcuts": "Alt+S" });
  const flag = button("⚑ Flag …", `not to be used, and why (${ALT}F)`, once(() => openFlag()),
    { "aria-keyshortcuts": "Alt+F", "aria-expanded": "false" });
  const undo = button("↶ Undo", `take back the last decision (${ALT}U)`, once(() => takeBack()), { "aria-keyshortcuts": "Alt+U" });
  const before = button("‹", `clip before (${ALT}B)`, once(() => walk("before")), { "aria-label": "clip before" });
  const after = button("›", `clip after (${ALT}N)`, once(() => walk("after")), { "aria-label": "clip after" });
  const again = button("Try again", "send what is not saved once more", () => sendAgain(), { hidden: true });
  const together = button("Accept agreeing …", "accept the rows on which all systems agree", once(() => askTogether()),
    { hidden: !(options.systems > 1) });
  const note = h("input", { type: "text", "aria-label": "another reason", placeholder: "another reason, then Enter", dir: "auto" });
  const reasons = options.reasons.map((reason, place) =>
    button(place < 9 ? `${place + 1} ${reason}` : reason, reason, once(() => flagWith(reason))));
  const flagPanel = h("div", { class: "ak-panel", role: "group", "aria-label": "why this row is not to be used", hidden: true },
    h("p", { class: "ak-note" }, "Why? Press a number, or write a reason; Esc goes back."),
    h("div", { class: "ak-bar" }, ...reasons),
    h("div", { class: "ak-bar" }, note, button("Flag", "flag with this reason", once(() => flagWith(null)), { class: "ak-button ak-main" })));
  const question = h("p", {});
  const yes = button("Accept", "accept them", once(() => acceptTogether()), { class: "ak-button ak-main" });
  const askPanel = h("div", { class: "ak-panel", role: "group", "aria-label": "accept rows together", hidden: true },
    question, h("div", { class: "ak-bar" }, yes, button("Cancel", "accept none (Esc)", () => closePanels())));
  const keys = h("details", {}, h("summary", { title: "(? outside the text)" }, "Keys"),
    h("p", { class: "ak-note" }, "In the text"),
    keyList([[ENTER, "accept"], [`${ALT}S`, "skip"], [`${ALT}F`, "flag"], [`${ALT}U`, "undo"], [`${ALT}P`, "play or pause"],
      [`${ALT}R`, "from the start"], [`${ALT}J`, "2 s back"], [`${ALT}N ${ALT}B`, "clip after, before"],
      [`${ALT}1 … 9`, "take the text of a system"], ["Esc", "leave the text"]]),
    h("p", { class: "ak-note" }, "Outside the text"),
    keyList([["Enter", "accept"], ["S", "skip"], ["F", "flag"], ["U", "undo"], ["E", "into the text"], ["Space", "play or pause"],
      ["R", "from the start"], ["← →", "1 s back or on"], [", .", "slower, faster"], ["L", "loop the selection"],
      ["N B", "clip after, before"], ["1 … 9", "take the text of a system"], ["T", "large text"], ["?", "these keys"]]));

  const root = h("section", { class: "ak ak-widget ak-labeler", tabindex: "0", "aria-label": `labels in ${options.journal}` },
    h("div", { class: "ak-head" }, title, mark,
      h("span", { class: "ak-where" }, before, "clip", number, total, after)),
    done, counts, wave.el,
    h("div", { class: "ak-bar" }, playing, time, h("span", { class: "ak-bar-gap" }),
      button("−", "slower (, outside the text)", () => faster(-1), { "aria-label": "slower" }), speed,
      button("+", "faster (. outside the text)", () => faster(1), { "aria-label": "faster" }), looping, onward, large),
    facts, area, others,
    h("div", { class: "ak-bar" }, accept, skip, flag, undo, h("span", { class: "ak-bar-gap" }), together),
    flagPanel, askPanel,
    h("div", { class: "ak-foot" }, status.el, again, saved), keys);
  guardKeys(root);
  el.append(root);
  cleanup.add(() => root.remove());

  // -- what is on its way

  const isUnsaved = (id) => pending.has(id) || outbox.messages.some((message) => message.item_id === id);
  const focused = () => root.getRootNode().activeElement;
  const able = (element, is) => { // what has the focus and cannot be pressed any more would leave the keys to the notebook
    if (!is && focused() === element) root.focus();
    element.disabled = !is;
  };
  const isOpen = (id) => OPEN.includes(rows.get(id)?.status ?? "todo");

  const act = (kind, row, { text, reason = null, note: words = null, then = null }) => {
    const action = `${view}:${String(count++).padStart(6, "0")}`;
    const message = { op: "act", do: kind, item_id: row.id, base: row.rev, text, reason, note: words, seconds: watch.take(),
      action, then, row: row.title };
    Object.assign(row, { rev: row.rev + 1, text, status: AFTER[kind] });
    if (kind === "flag") Object.assign(row, { reason, note: words });
    outbox.put(action, message);
    deliver(message);
  };

  const deliver = async (message) => {
    pending.set(message.item_id, (pending.get(message.item_id) ?? 0) + 1);
    tellSaved();
    try {
      const { content } = await channel.ask(message);
      landed(message);
      outbox.drop(message.action);
      trouble = null;
      delay = AGAIN;
      if (!outbox.size && (message.do !== "edit" || isLate)) {
        status.say(message.do === "edit" ? "saved" : decided(message));
        isLate = false;
      }
      learn(content);
    } catch (error) {
      landed(message);
      if (error.code === "over" || cleanup.isOver) return;
      failed(message, error);
    }
    tellSaved();
  };
  const landed = ({ item_id: id }) => {
    const left = pending.get(id) - 1;
    if (left > 0) pending.set(id, left);
    else pending.delete(id);
  };
  const decided = ({ do: kind, row, reason, note: words }) =>
    `${row} ${AFTER[kind]}${kind === "flag" ? `: ${[reason, words].filter(Boolean).join(", ") || "no reason given"}` : ""}`;

  const failed = (message, error) => {
    if (error.code === "stale") {
      const later = outbox.messages.some((own) => own.item_id === message.item_id && own.action > message.action);
      outbox.drop(message.action);
      if (later || pending.has(message.item_id)) return; // a later action of ours says all that this one did
      status.say(`${error.message}; your text was: ${message.text}`, "bad");
      fetchRow(message.item_id, [message.item_id]);
      return;
    }
    trouble = error;
    const kept = outbox.isStored
      ? "it is kept in this browser and sent again"
      : "this browser keeps nothing: copy your text before you close the page";
    const hint = error.code === "gone" ? "; run the cell again to go on" : "";
    status.say(`not saved: ${error.message}; ${kept}${hint}`, "bad");
  };

  const tellSaved = () => {
    const left = outbox.size;
    const kind = !left && typed === null ? "ok" : trouble ? "bad" : "busy";
    saved.dataset.kind = kind;
    saved.textContent = kind === "ok" ? "✓ saved" : kind === "busy" ? "saving …"
      : `${left} ${left === 1 ? "action" : "actions"} not saved`;
    if ((!trouble || !left) && focused() === again) root.focus();
    again.hidden = !trouble || !left;
  };

  const sendAgain = () => { for (const message of outbox.messages) deliver(message); };
  // A message or its answer can get lost: Python does nothing twice, so it can be sent again.
  let oldest = null;
  const timer = setInterval(() => {
    const [first] = outbox.messages;
    if (!first || first.action !== oldest?.action) {
      oldest = first ? { action: first.action, at: performance.now() } : null;
      return;
    }
    if (performance.now() - oldest.at < delay) return;
    delay = Math.min(2 * delay, AGAIN_AT_MOST);
    oldest.at = performance.now();
    sendAgain();
  }, 1000);
  cleanup.add(() => clearInterval(timer));

  channel.on("slow", (message) => {
    if (message.op === "act") {
      trouble = new Error("no answer");
      isLate = true;
      status.say(`not saved yet: the kernel is busy or gone; ${outbox.size} ${outbox.size === 1 ? "action is" : "actions are"} ` +
        (outbox.isStored ? "kept in this browser" : "on the way: do not close the page"), "bad");
      tellSaved();
    } else status.say("no answer from the kernel yet: it is busy, or gone", "busy");
  });
  channel.on("answer", (content) => {
    if (status.el.dataset.kind === "busy" && !channel.isWaiting) status.say("ready");
  });
  channel.on("changed", () => { if (now && !outbox.size && typed === null) fetchRow(now); }); // by Python's own methods

  // -- what is known

  const learn = (content, { force = [] } = {}) => {
    for (const [id, row] of Object.entries(content.rows ?? {})) {
      const known = rows.get(id);
      const isOurs = known && !force.includes(id) && (isUnsaved(id) || (id === now && typed !== null));
      if (isOurs) Object.assign(known, { ahead: row.ahead, before: row.before, after: row.after });
      else rows.set(id, row);
    }
    if (content.progress) tellProgress(content.progress);
    if (isWaiting) goOn();
    else if (now && content.rows?.[now]) draw();
    if (now) prefetch();
  };
  const fetchRow = async (id, force = []) => {
    try {
      learn((await channel.ask({ op: "go", item_id: id })).content, { force });
    } catch (error) {
      if (error.code !== "over") status.say(error.message, "bad");
    }
  };
  const prefetch = () => {
    const row = rows.get(now);
    for (const id of [...nextOf(row).slice(0, 2), row.after].filter(Boolean)) if (!store.has(id)) store.prefetch(id);
  };
  const nextOf = (row) => row.ahead.filter((id) => id !== row.id && isOpen(id));

  const tellProgress = (told) => {
    const finished = told.rows - told.left;
    done.setAttribute("aria-valuemax", told.rows);
    done.setAttribute("aria-valuenow", finished);
    done.setAttribute("aria-valuetext", `${finished} of ${told.rows}`);
    done.replaceChildren(...["accepted", "flagged", "skipped"].map((kind) =>
      h("span", { class: `ak-${kind}`, style: { width: `${told[kind] / told.rows * 100}%` } })));
    const parts = [`${told.left.toLocaleString()} of ${told.rows.toLocaleString()} left`,
      ...["accepted", "flagged", "skipped", "draft"].filter((kind) => told[kind]).map((kind) =>
        `${told[kind].toLocaleString()} ${kind}${kind === "draft" && told[kind] > 1 ? "s" : ""}`)];
    if (told.pace !== null) parts.push(`${told.pace} s a clip`);
    if (told.left && told.seconds_left !== null) parts.push(`about ${lasting(told.seconds_left)} to go`);
    counts.textContent = `${parts.join(" · ")} · ${options.annotator} → ${options.journal}`;
    counts.title = options.path;
    total.textContent = `of ${told.rows.toLocaleString()}`;
    number.max = told.rows;
  };
  const lasting = (seconds) => {
    if (seconds < 60) return "a minute";
    const minutes = Math.round(seconds / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };

  // -- the row that is shown

  const draw = () => {
    const row = rows.get(now);
    title.replaceChildren(h("bdi", {}, row.title), " ",
      h("bdi", { class: "ak-note", title: row.about }, row.about.split(/[\\/]/).pop()));
    mark.textContent = STATUSES[row.status] +
      (row.status === "flagged" && (row.reason || row.note) ? `: ${row.reason ?? row.note}` : row.unheard ? " unheard" : "");
    mark.dataset.status = row.status;
    if (focused() !== number) number.value = row.turn + 1;
    able(before, Boolean(row.before));
    able(after, Boolean(row.after));
    if (area.lang !== (row.language ?? "")) area.lang = row.language ?? "";
    if (typed === null && !area.matches(".ak-composing") && area.value !== row.text) {
      area.value = row.text;
      grow();
    }
    const shown = Object.entries(row.shown);
    facts.hidden = !shown.length;
    facts.replaceChildren(...shown.map(([name, value]) =>
      h("div", {}, h("dt", {}, h("bdi", {}, name)), h("dd", {}, h("bdi", {}, value)))));
    drawOthers(row);
  };
  const textsOf = (row) => [...(row.hypothesis === null ? [] : [["heard", row.hypothesis]]), ...Object.entries(row.systems)];
  const drawOthers = (row) => {
    const hasMore = Object.keys(row.systems).length > 0;
    const shown = textsOf(row).map(([name, text], place) => {
      if (!hasMore && text === area.value) return null; // nothing was changed: it is in the text already
      const same = text === area.value;
      return h("div", { class: "ak-other" },
        button(`${place + 1} ${name}`, `take this text (${ALT}${place + 1})`, () => take(place), { disabled: same }),
        h("bdi", { dir: "auto", lang: row.language }, text || "(nothing)"));
    });
    if (others.contains(focused())) root.focus(); // it goes away
    others.replaceChildren(...shown.filter(Boolean));
  };
  const take = (place) => {
    const text = textsOf(rows.get(now))[place]?.[1];
    if (text === undefined || isWaiting) return;
    area.value = text;
    area.focus();
    changed();
  };
  const grow = () => {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + 2}px`;
  };

  const show = (id, { play = false } = {}) => {
    closePanels();
    now = id;
    isWaiting = false;
    area.readOnly = false;
    shownAt = performance.now();
    draw();
    area.setSelectionRange(0, 0);
    area.scrollTop = 0;
    transport.open(id, { play });
    prefetch();
  };

  const changed = () => {
    const row = rows.get(now);
    clearTimeout(typed);
    typed = setTimeout(flush, DEBOUNCE);
    row.text = area.value;
    if (!OPEN.includes(row.status)) mark.textContent = STATUSES[row.status = "draft"], mark.dataset.status = "draft";
    grow();
    drawOthers(row);
    tellSaved();
  };
  const flush = () => {
    if (typed === null) return;
    clearTimeout(typed);
    typed = null;
    const row = rows.get(now);
    act("edit", row, { text: area.value });
    mark.textContent = STATUSES.draft;
    mark.dataset.status = "draft";
  };
  const drop = () => { // an action that carries the text follows
    clearTimeout(typed);
    typed = null;
  };

  // -- actions

  const decide = (kind, extra = {}) => {
    if (!now || isWaiting || performance.now() - shownAt < SETTLE) return;
    const row = rows.get(now);
    const text = area.value;
    drop();
    const [then] = nextOf(row);
    act(kind, row, { text, ...extra, then: then ?? null });
    if (then && rows.has(then)) {
      show(then, { play: isPlayingOn });
    } else {
      isWaiting = true;
      area.readOnly = Boolean(then);
      draw();
    }
  };
  // Python has answered: it knows what is next.
  const goOn = () => {
    const [then] = nextOf(rows.get(now));
    if (then && rows.has(then)) show(then, { play: isPlayingOn });
    else if (then && !pending.size) {
      isWaiting = false;
      visit({ item_id: then });
    } else if (!then && !pending.size) {
      isWaiting = false;
      area.readOnly = false;
      draw();
      status.say("all clips are decided");
    }
  };
  const visit = async (to) => {
    try {
      const { content } = await channel.ask({ op: "go", ...to });
      learn(content);
      show(content.now);
    } catch (error) {
      if (error.code !== "over") status.say(error.message, "bad");
    }
  };
  const walk = (way) => {
    const id = rows.get(now)?.[way];
    if (!id || isWaiting) return;
    flush();
    if (rows.has(id)) {
      show(id, { play: false });
      fetchRow(id); // Python then knows what is shown, and tells of its neighbours
    } else visit({ item_id: id });
  };
  const takeBack = async () => {
    flush();
    try {
      const { content } = await channel.ask({ op: "undo", action: `${view}:${String(count++).padStart(6, "0")}` });
      learn(content, { force: Object.keys(content.rows) });
      if (!content.undone) return status.say("there is nothing to undo");
      show(content.now);
      status.say(content.undone > 1 ? `${content.undone} rows are as they were` : `${rows.get(now).title} is as it was`);
    } catch (error) {
      if (error.code !== "over") status.say(`nothing was undone: ${error.message}`, "bad");
    }
  };

  let cameFrom = null;
  const openFlag = () => {
    if (!now || isWaiting || performance.now() - shownAt < SETTLE) return;
    cameFrom = focused();
    askPanel.hidden = true;
    flagPanel.hidden = false;
    flag.setAttribute("aria-expanded", "true");
    note.value = "";
    (reasons[0] ?? note).focus();
  };
  const flagWith = (reason) => {
    const words = note.value.trim() || null;
    decide("flag", { reason, note: words });
  };
  const closePanels = () => {
    if (flagPanel.hidden && askPanel.hidden) return;
    const hadFocus = flagPanel.contains(focused()) || askPanel.contains(focused());
    flagPanel.hidden = askPanel.hidden = true;
    flag.setAttribute("aria-expanded", "false");
    if (hadFocus) (cameFrom?.isConnected && !cameFrom.closest(".ak-panel") ? cameFrom : root).focus();
  };
  let counted = 0;
  const askTogether = async () => {
    flush();
    try {
      counted = (await channel.ask({ op: "agreeing" })).content.count;
    } catch (error) {
      return status.say(error.message, "bad");
    }
    if (!counted) return status.say("there is no untouched row on which all systems agree");
    cameFrom = focused();
    question.textContent = `All systems agree on ${counted.toLocaleString()} ${counted === 1 ? "row" : "rows"} that nobody has ` +
      "touched. Accept without hearing?";
    yes.textContent = `Accept ${counted.toLocaleString()}`;
    flagPanel.hidden = true;
    askPanel.hidden = false;
    yes.focus();
  };
  const acceptTogether = async () => {
    try {
      const action = `${view}:${String(count++).padStart(6, "0")}`;
      const { content } = await channel.ask({ op: "accept_agreeing", count: counted, action });
      for (const id of [...rows.keys()]) if (!pending.has(id)) rows.delete(id);
      rows.set(now, rows.get(now) ?? content.rows[content.now]);
      learn(content, { force: Object.keys(content.rows) });
      show(content.now);
      status.say(`${content.accepted.toLocaleString()} rows accepted; undo takes them all back`);
    } catch (error) {
      closePanels();
      status.say(error.message, "bad");
    }
  };

  const faster = (by) => {
    const at = RATES.findIndex((value) => value >= transport.speed - 0.001);
    transport.speed = RATES[Math.min(RATES.length - 1, Math.max(0, at + by))];
  };
  const loopOver = (stretch) => {
    transport.loop = stretch;
    if (transport.loop) transport.play(transport.loop[0]);
  };
  const loop = () => {
    if (transport.loop) transport.loop = null;
    else if (transport.duration) loopOver([0, transport.duration]);
  };
  const playOn = () => {
    isPlayingOn = !isPlayingOn;
    onward.setAttribute("aria-pressed", String(isPlayingOn));
  };
  const enlarge = () => {
    large.setAttribute("aria-pressed", String(root.classList.toggle("ak-large")));
    grow();
  };
  const back = () => transport.play(Math.max(0, transport.position - 2));

  // -- keys

  const withAlt = {
    KeyS: () => decide("skip"), KeyF: () => openFlag(), KeyU: () => takeBack(), KeyP: () => transport.toggle(),
    KeyR: () => transport.play(0), KeyJ: back, KeyN: () => walk("after"), KeyB: () => walk("before"), KeyT: () => enlarge(),
  };
  const alone = {
    Enter: () => decide("accept"), s: () => decide("skip"), f: () => openFlag(), u: () => takeBack(), e: () => area.focus(),
    " ": () => transport.toggle(), r: () => transport.play(0), ArrowLeft: () => transport.seek(transport.position - 1),
    ArrowRight: () => transport.seek(transport.position + 1), ",": () => faster(-1), ".": () => faster(1), l: () => loop(),
    n: () => walk("after"), b: () => walk("before"), t: () => enlarge(), "?": () => { keys.open = !keys.open; },
  };
  const keep = new Set(["ArrowLeft", "ArrowRight", ",", "."]); // that may be held down
  const digit = (event) => /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  cleanup.listen(root, "keydown", (event) => {
    watch.touch();
    if (event.isComposing || event.keyCode === 229) return; // an input method has the key
    const isTyping = event.target.matches("textarea, input");
    const run = (action) => {
      event.preventDefault();
      if (!event.repeat || keep.has(event.key)) action(event);
    };
    if (event.key === "Escape") {
      if (!flagPanel.hidden || !askPanel.hidden) run(closePanels);
      else if (isTyping) run(() => root.focus());
      else if (transport.loop) run(() => { transport.loop = null; });
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(() => (flagPanel.hidden ? decide("accept") : flagWith(null)));
    else if (event.altKey && !event.ctrlKey && !event.metaKey) {
      if (withAlt[event.code]) run(withAlt[event.code]);
      else if (digit(event)) run(() => take(digit(event) - 1));
    } else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.target === note && event.key === "Enter") run(() => flagWith(null));
    else if (event.target === number && event.key === "Enter") run(() => goTo());
    else if (isTyping) return;
    else if (!flagPanel.hidden && flagPanel.contains(event.target)) {
      const reason = options.reasons[digit(event) - 1];
      if (reason !== undefined) run(() => flagWith(reason));
    } else if (event.target.matches("button, summary") && [" ", "Enter"].includes(event.key)) return;
    else if (digit(event)) run(() => take(digit(event) - 1));
    else {
      const action = alone[event.key] ?? alone[event.key.toLowerCase()];
      if (action) run(action);
    }
  });
  const goTo = () => {
    const to = Math.round(Number(number.value)) - 1;
    if (!Number.isFinite(to) || isWaiting) return;
    flush();
    visit({ to }).then(() => root.focus());
  };

  cleanup.listen(area, "compositionstart", () => area.classList.add("ak-composing"));
  cleanup.listen(area, "compositionend", () => { area.classList.remove("ak-composing"); changed(); });
  cleanup.listen(area, "input", (event) => { if (now && !event.isComposing) changed(); });
  cleanup.listen(area, "blur", flush);
  cleanup.listen(root, "pointerdown", () => watch.touch());
  cleanup.listen(document, "visibilitychange", () => {
    if (document.hidden) { watch.hidden(); flush(); } else watch.shown();
  });
  cleanup.listen(window, "pagehide", flush);
  cleanup.add(() => { if (now) flush(); });

  // -- sound

  transport.on("state", (isPlaying) => { playing.textContent = isPlaying ? "❚❚ Pause" : "▶ Play"; });
  transport.on("speed", (value) => { speed.textContent = `${value}×`; });
  transport.on("position", (seconds) => { time.textContent = `${clock(seconds)} / ${clock(transport.duration)}`; });
  transport.on("loop", (stretch) => looping.setAttribute("aria-pressed", String(Boolean(stretch))));
  transport.on("opening", () => wave.show(new Int8Array(), 0, 0));
  transport.on("clip", (clip) => {
    wave.show(clip.peaks, clip.start, clip.whole ? clip.end : Math.min(clip.end, clip.start + clip.window));
    if (clip.warnings?.length) status.say(clip.warnings.join("; "));
  });
  transport.on("error", (error) => status.say(`no sound: ${error.message}`, "bad"));

  // -- begin

  const begin = async () => {
    const [sent, refused, kept] = [[], [], []];
    for (const box of leftovers(prefix)) {
      if (box.messages.some((message) => message.action.startsWith(view))) continue;
      for (const message of box.messages) {
        try {
          await channel.ask({ ...message, then: null });
          sent.push(message.row);
        } catch (error) {
          if (error.code !== "stale") {
            kept.push(`${message.row} (${error.message})`);
            continue; // for the next view
          }
          refused.push(`${message.row} (your text was: ${message.text})`);
        }
        box.drop(message.action);
      }
    }
    const { content } = await channel.ask({ op: "open", onward: sent.length > 0 });
    if (cleanup.isOver) return;
    learn(content);
    show(content.now);
    tellSaved();
    const each = (names) => [...new Set(names)].join(", ");
    const told = [content.progress.left ? "ready" : "all clips are decided"];
    if (sent.length) told.unshift(`saved now what was not saved before: ${each(sent)}`);
    if (kept.length) told.unshift(`still not saved, and kept in this browser: ${each(kept)}`);
    if (refused.length) told.unshift(`not saved, since it was changed elsewhere: ${each(refused)}`);
    if (content.warning) told.unshift(content.warning);
    status.say(told.join(" · "), refused.length || kept.length ? "bad" : "ok");
  };
  begin().catch((error) => { if (error.code !== "over") status.say(error.message, "bad"); });
  return () => cleanup.run();
}

export default { render };
