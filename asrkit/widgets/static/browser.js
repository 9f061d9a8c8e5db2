// Many rows and systems: one page of rows at a time; whatever else is seen is asked for.

const LISTEN = 250; // milliseconds without typing before a search begins

async function render({ model, el }) {
  const cleanup = new Cleanup();
  const channel = new Channel(model, cleanup);
  const store = new ClipStore(channel, cleanup);
  const transport = new Transport(store, cleanup);
  const status = new Status("opening …");
  const options = model.get("options");
  const { names, rate } = options;
  const isLive = !model.offline;
  let { query, page } = model.get("state");
  let shown = null; // the last answer
  let rows = []; // { id, body, told }
  let cursor = 0;
  let turn = 0; // an answer to an earlier question is not shown
  const same = (one, two) => JSON.stringify(one) === JSON.stringify(two);
  const count = (value) => value.toLocaleString("en");

  // -- what is asked

  const choice = (label, entries, onchange) => {
    const select = h("select", { "aria-label": label, title: label, disabled: !isLive, on: { change: () => onchange(select.value) } },
      ...entries.map(([value, text]) => h("option", { value }, text)));
    return select;
  };
  const change = (changes) => { query = { ...query, ...changes }; load(0); };
  const search = h("input", { type: "search", placeholder: "search in texts (/)", "aria-label": "search in texts",
    disabled: !isLive, dir: "auto", class: "ak-search" });
  let typing = null;
  const later = (step) => { clearTimeout(typing); typing = setTimeout(step, LISTEN); };
  cleanup.add(() => clearTimeout(typing));
  const searching = () => { if (search.value !== query.search) change({ search: search.value }); };
  search.addEventListener("input", (event) => { if (!event.isComposing) later(searching); });
  search.addEventListener("compositionend", () => later(searching));
  const within = choice("where to search", [["", "all texts"], ["reference", "reference"], ...names.filter((name) => name !== "reference")
    .map((name) => [name, name])], (value) => change({ within: value || null }));
  const sorting = choice("sort by", options.sorts.map(([sort, told]) => [JSON.stringify(sort), `by ${told}`]),
    (value) => change({ sort: JSON.parse(value), descending: true }));
  const turning = button("↓", "turn the order round", () => change({ descending: !query.descending }), { disabled: !isLive });
  const wrong = choice("who is wrong", [["", "all rows"], ...options.wrong.map(([told, text]) => [JSON.stringify(told), text])],
    (value) => change({ wrong: value ? JSON.parse(value) : null }));
  const slices = options.slices.map((name) => choice(name, [["", `${name}: all`]], (value) => {
    const where = { ...query.where };
    delete where[name];
    if (value) where[name] = [value.slice(1)];
    change({ where });
  }));
  const said = h("input", { type: "text", placeholder: "said", "aria-label": "word that was said", size: 10, dir: "auto", disabled: !isLive });
  const heard = h("input", { type: "text", placeholder: "heard", "aria-label": "word that was heard", size: 10, dir: "auto", disabled: !isLive });
  const KIND = [["", "any error"], ["S", "substituted"], ["D", "deleted"], ["I", "inserted"]];
  const kind = choice("kind of error", KIND, () => errorChanged());
  const whose = choice("whose error", [["", "of any system"], ...names.map((name) => [name, `of ${name}`])], () => errorChanged());
  const errorChanged = () => {
    const error = { kind: kind.value || null, said: said.value.trim() || null, heard: heard.value.trim() || null, system: whose.value || null };
    const isAny = !error.kind && !error.said && !error.heard;
    if (!same(isAny ? null : error, query.error)) change({ error: isAny ? null : error });
    if (frequent.open) listErrors();
  };
  for (const input of [said, heard]) input.addEventListener("input", (event) => { if (!event.isComposing) later(errorChanged); });
  const listed = h("div", { class: "ak-errors" });
  const frequent = h("details", { on: { toggle: () => { if (frequent.open) listErrors(); } } },
    h("summary", {}, "most frequent errors"), listed);
  const listErrors = async () => {
    const { query: asked } = { query };
    try {
      const { content } = await channel.ask({ op: "errors", query: asked, kind: kind.value || null, system: whose.value || null });
      if (cleanup.isOver) return;
      listed.replaceChildren(...content.errors.map(([code, one, two, number]) => h("button", { type: "button",
        class: `ak-button ak-error ak-${code}`, on: { click: () => {
          kind.value = code;
          said.value = one ?? "";
          heard.value = two ?? "";
          errorChanged();
        } } },
      h("bdi", {}, code === "I" ? `+ ${two}` : code === "D" ? `− ${one}` : `${one} → ${two}`), ` ${count(number)}`)));
      if (content.left_out) listed.append(h("span", { class: "ak-note" }, `${count(content.left_out)} more different errors`));
      if (!content.errors.length) listed.replaceChildren(h("span", { class: "ak-note" }, "none"));
    } catch (error) {
      status.say(error.message, "bad");
    }
  };
  const clear = button("Clear", "all rows again", () => {
    for (const input of [search, said, heard, kind, whose]) input.value = "";
    change({ search: "", within: null, where: {}, error: null, wrong: null });
  }, { disabled: !isLive });

  // -- the table

  const heads = []; // [th, sort]
  const head = (text, sort, title) => {
    const th = h("th", { scope: "col" }, sort && isLive
      ? h("button", { type: "button", class: "ak-head-button", title: title ?? `sort by ${text}`,
        on: { click: () => change(same(query.sort, sort) ? { descending: !query.descending } : { sort, descending: sort[0] !== "row" }) } }, text)
      : text);
    if (sort) heads.push([th, sort]);
    return th;
  };
  const totals = names.map(() => h("td", { class: "ak-number" }));
  const hasDifference = names.length > 1;
  const difference = names.length === 2 ? ["difference", ...names] : ["spread"];
  const columns = h("tr", {},
    h("td", {}, h("span", { class: "ak-visually-hidden" }, "select, play")),
    head("row", ["row"]),
    ...names.map((name) => head(`${rate} ${name}`, ["wer", name])),
    hasDifference ? head(names.length === 2 ? "difference" : "spread", difference,
      names.length === 2 ? `${rate} of ${names[0]} less that of ${names[1]}, in points` : `highest ${rate} less lowest, in points`) : null,
    ...names.map((name, place) => (options.confidence[place] ? head(`confidence ${name}`, ["confidence", name]) : null)),
    options.duration ? head("seconds", ["duration"]) : null,
    head(options.unit, ["words"], "sort by the reference's length"));
  const width = columns.children.length;
  const table = h("table", { class: "ak-table" },
    h("caption", { class: "ak-visually-hidden" }, "rows with their error rates and aligned texts"),
    h("thead", {}, columns, h("tr", { class: "ak-totals" }, h("td"), h("th", { scope: "row" }, "all found"), ...totals,
      h("td", { colspan: width - 2 - names.length }))));
  const scroll = h("div", { class: "ak-scroll" }, table);

  const cell = (told) => {
    if (told.failed) return h("td", { class: "ak-number ak-rate" }, "no text");
    const strength = told.rate == null ? 0 : Math.min(1, told.rate);
    return h("td", { class: "ak-number ak-rate", title: told.errors == null ? null : `${told.errors} errors`,
      style: strength ? { background: `color-mix(in srgb, var(--ak-bad) ${Math.round(8 + 42 * strength)}%, transparent)` } : {} },
    told.rate == null && told.errors != null ? `${told.errors} err.` : told.told);
  };
  const stack = (told, { language, letters }) => {
    const word = (text) => (text && !text.trim() ? "␣" : text ?? "");
    const line = (name) => h("bdi", { class: "ak-line-name", title: name }, name);
    const parts = told.columns.map((column) => {
      if (!Array.isArray(column)) {
        return h("span", { class: "ak-cut" }, `… ${column.right + column.wrong} more${column.wrong ? `, ${column.wrong} wrong` : ""} …`);
      }
      const [spoken, ...systems] = column;
      const cells = systems.map(([code, found], place) => {
        if (code === "C" || !code) return h("bdi", { class: "ak-heard" }, word(found));
        return h("bdi", { class: `ak-${code}`, role: "img", "aria-label": `${told.names[place]}: ${TOLD[code](spoken, found)}` },
          code === "D" ? "−" : `${SIGNS[code]}${word(found)}`);
      });
      return h("span", { class: "ak-column" }, h("bdi", { class: "ak-said" }, word(spoken)), ...cells);
    });
    if (!parts.length) parts.push(h("span", { class: "ak-note" }, "(no words)"));
    return h("div", { class: letters ? "ak-stack ak-letters" : "ak-stack", dir: told.dir, lang: language, role: "group",
      "aria-label": `reference above, then ${told.names.join(", ")}` },
    h("span", { class: "ak-column ak-line-names", "aria-hidden": "true" }, line("said"), ...told.names.map(line)), ...parts);
  };
  const textsOf = (told) => [
    told.about.length ? h("p", { class: "ak-note" }, told.about.map(([name, value]) => `${name}: ${value}`).join(" · ")) : null,
    ...told.stacks.map((one) => stack(one, told)),
    told.unscored ? h("p", { class: "ak-note" }, "no reference: nobody knows what was said") : null,
    ...told.plain.map(([name, text]) => h("p", { dir: "auto", lang: told.language }, h("span", { class: "ak-note" }, `${name}: `), h("bdi", {}, text))),
    ...told.cells.map((own, place) => (own.failed ? h("p", { class: "ak-note" }, `${names[place]}: no text`) : null)),
  ];
  const draw = (told, place) => {
    const chosen = h("input", { type: "checkbox", checked: told.selected, disabled: !isLive, "aria-label": `select row ${told.label}`,
      on: { change: () => mark(place, chosen.checked) } });
    const texts = h("div", { class: "ak-texts" }, ...textsOf(told).filter(Boolean));
    const playing = options.audio ? button("▶", "play this row (Space)", () => { go(place); listen(place); },
      { "aria-label": `play row ${told.label}`, class: "ak-button ak-play" }) : null;
    const body = h("tbody", { class: "ak-row-body", tabindex: "-1", "aria-label": `row ${told.label}`, on: {
      click: (event) => { if (!event.target.closest("button, input")) go(place); },
    } },
    h("tr", {}, h("td", { class: "ak-tools" }, h("span", {}, chosen, playing)),
      h("th", { scope: "row", dir: "auto" }, told.label), ...told.cells.map(cell),
      hasDifference ? h("td", { class: "ak-number" }, told.apart ?? "–") : null,
      ...told.cells.map((own, at) => (options.confidence[at] ? h("td", { class: "ak-number" }, own.confidence ?? "–") : null)),
      options.duration ? h("td", { class: "ak-number" }, told.duration == null ? "–" : told.duration.toFixed(1)) : null,
      h("td", { class: "ak-number" }, told.words ?? "–")),
    h("tr", {}, h("td", { colspan: width }, texts)));
    return { id: told.id, told, body, chosen, texts, playing, isOpen: false };
  };

  const load = async (wanted, place = 0, then = () => {}) => {
    const mine = ++turn;
    try {
      const { content } = await channel.ask({ op: "rows", query, page: wanted });
      if (mine !== turn || cleanup.isOver) return;
      shown = content;
      page = content.page;
      rows.forEach(({ body }) => body.remove());
      rows = content.rows.map(draw);
      table.append(...rows.map(({ body }) => body));
      if (!rows.length) status.say("no row is like this");
      told();
      go(place < 0 ? rows.length - 1 : place, false);
      then();
      if (frequent.open) listErrors();
    } catch (error) {
      if (mine === turn) status.say(error.message, "bad");
    }
  };
  const fill = (select, entries, value) => {
    select.replaceChildren(...entries.map(([key, text]) => h("option", { value: key }, text)));
    select.value = value;
  };
  const told = () => {
    const first = page * options.page;
    where.textContent = shown.found ? `${count(first + 1)} to ${count(first + rows.length)} of ${count(shown.found)} rows` : "0 rows";
    if (shown.found < options.rows) where.textContent += ` (of ${count(options.rows)})`;
    [before.disabled, after.disabled] = [!isLive || page === 0, !isLive || page + 1 >= shown.pages];
    selected(shown.selected);
    shown.totals.forEach((own, place) => {
      totals[place].textContent = own.told;
      totals[place].title = `${count(own.errors)} errors in ${count(own.words)} ${options.unit}`;
    });
    for (const [th, sort] of heads) {
      const is = same(query.sort, sort);
      th.setAttribute("aria-sort", is ? (query.descending ? "descending" : "ascending") : "none");
    }
    sorting.value = JSON.stringify(query.sort);
    turning.textContent = query.descending ? "↓" : "↑";
    fill(wrong, [["", "all rows"], ...options.wrong.map(([key, text], place) => [JSON.stringify(key), `${text} (${count(shown.wrong[place])})`])],
      query.wrong ? JSON.stringify(query.wrong) : "");
    shown.slices.forEach(([name, values, more], place) => {
      const chosen = query.where[name]?.[0];
      const entries = values.map(([value, number]) => [`=${value}`, `${value} (${count(number)})`]);
      if (chosen !== undefined && !values.some(([value]) => value === chosen)) entries.push([`=${chosen}`, chosen]);
      fill(slices[place], [["", `${name}: all${more ? ` (${count(more)} more values are not listed)` : ""}`], ...entries],
        chosen === undefined ? "" : `=${chosen}`);
    });
    if (document.activeElement !== search && !search.contains(el.getRootNode().activeElement)) search.value = query.search;
    within.value = query.within ?? "";
    if (rows.length) status.say("ready");
  };

  // -- one row

  const go = (place, isShown = true) => {
    rows[cursor]?.body.classList.remove("ak-current");
    cursor = Math.min(rows.length - 1, Math.max(0, place));
    const row = rows[cursor];
    if (!row) return;
    row.body.classList.add("ak-current");
    rows.forEach(({ body }, at) => body.toggleAttribute("aria-current", at === cursor));
    if (!isShown) return;
    const [box, view] = [row.body.getBoundingClientRect(), scroll.getBoundingClientRect()];
    const top = view.top + table.tHead.offsetHeight; // the head stays
    if (box.top < top) scroll.scrollTop -= top - box.top;
    else if (box.bottom > view.bottom) scroll.scrollTop += Math.min(box.bottom - view.bottom, box.top - top);
    if (transport.id !== null && options.audio) store.prefetch(row.id);
  };
  const step = (by) => {
    const next = cursor + by;
    if (next >= rows.length && isLive && page + 1 < (shown?.pages ?? 1)) load(page + 1);
    else if (next < 0 && isLive && page > 0) load(page - 1, -1);
    else go(next);
  };
  const listen = (place = cursor) => {
    const row = rows[place];
    if (!row) return;
    if (!options.audio) status.say("no column with audio was named: df.asr.browse(\"path\", ...)", "bad");
    else if (transport.id === row.id && transport.clip) transport.toggle();
    else transport.open(row.id, { play: true });
  };
  const mark = async (place, on = !rows[place]?.chosen.checked) => {
    const row = rows[place];
    if (!row || !isLive) return;
    row.chosen.checked = on;
    await choose({ rows: [row.id], on });
  };
  const choose = async (message) => {
    try {
      const { content } = await channel.ask({ op: "select", ...message });
      selected(content.selected);
      return true;
    } catch (error) {
      status.say(`not selected: ${error.message}`, "bad");
      return false;
    }
  };
  const all = async (on) => {
    if (isLive && await choose(on ? { query, on } : { on })) rows.forEach(({ chosen }) => { chosen.checked = on; });
  };
  const labelling = () => status.say(shown?.selected
    ? `to correct the ${count(shown.selected)} selected rows, run in a cell: browser.label(journal="labels.jsonl")`
    : "no row is selected: press X on the rows to correct");
  const selected = (number) => {
    chosen.textContent = `${count(number)} selected`;
    if (shown) shown.selected = number;
    none.disabled = !isLive || number === 0;
  };
  const open = async () => {
    const row = rows[cursor];
    if (!row) return;
    row.isOpen = !row.isOpen;
    if (!row.isOpen) {
      row.texts.replaceChildren(...textsOf(row.told).filter(Boolean));
      return;
    }
    try {
      const { content } = await channel.ask({ op: "row", item_id: row.id });
      const list = h("dl", { class: "ak-whole" }, ...[...content.texts, ...content.columns].map(([name, text]) => h("div", {},
        h("dt", {}, name), h("dd", { dir: "auto" }, text ?? "–"))));
      if (row.isOpen) row.texts.replaceChildren(...textsOf(content.row).filter(Boolean), list);
    } catch (error) {
      row.isOpen = false;
      status.say(error.message, "bad");
    }
  };

  // -- around it

  const where = h("span", { class: "ak-number" });
  const chosen = h("span", { class: "ak-number", "aria-live": "polite" });
  const before = button("‹ Page", "page before (Page up)", () => load(page - 1));
  const after = button("Page ›", "next page (Page down)", () => load(page + 1));
  const every = button("Select all found", "select all rows that are found (A)", () => all(true), { disabled: !isLive });
  const none = button("Select none", "take back the selection (N)", () => all(false));
  const label = button("Label …", "correct the selected rows (L)", () => labelling(), { disabled: !isLive });
  const wave = new Waveform(transport, cleanup, { onselect: (stretch) => {
    transport.loop = stretch;
    if (transport.loop) transport.seek(transport.loop[0]);
  } });
  const time = h("span", { class: "ak-number ak-soft" });
  const sound = h("div", { class: "ak-sound", hidden: true }, wave.el, time);
  const keys = h("details", {}, h("summary", { title: "(?)" }, "Keys"), keyList([
    ["↓ J", "next row"], ["↑ K", "row before"], ["Page ↓ ↑", "page"], ["Home End", "first, last row of the page"],
    ["Space", "play or pause"], ["← →", "1 s back or on"], ["Enter", "whole row"], ["X", "select"], ["A N", "select all found, none"],
    ["L", "correct them"], ["/", "search"], ["Esc", "back to the rows"], ["?", "these keys"],
  ]));
  const focus = () => root.focus({ preventScroll: true });
  const actions = {
    ArrowDown: () => step(1), j: () => step(1), ArrowUp: () => step(-1), k: () => step(-1),
    PageDown: () => { if (isLive && page + 1 < (shown?.pages ?? 1)) load(page + 1); },
    PageUp: () => { if (isLive && page > 0) load(page - 1); },
    Home: () => go(0), End: () => go(rows.length - 1),
    " ": () => listen(), Enter: () => open(),
    ArrowLeft: () => transport.seek(transport.position - 1), ArrowRight: () => transport.seek(transport.position + 1),
    x: () => mark(cursor), a: () => all(true), n: () => all(false), l: () => labelling(),
    "/": () => { search.focus(); search.select(); },
    Escape: () => { transport.loop = null; transport.pause(); },
    "?": () => { keys.open = !keys.open; },
  };
  const pressed = (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (target.matches("input[type=search], input[type=text]")) {
      if (event.key === "Enter") { clearTimeout(typing); if (target === search) searching(); else errorChanged(); }
      if (event.key === "Escape") { event.preventDefault(); focus(); }
      return;
    }
    if (target.matches("select")) {
      if (event.key === "Escape") focus();
      return;
    }
    if (target.closest(".ak-wave") && ["ArrowDown", "ArrowUp", "PageDown", "PageUp"].includes(event.key)) return;
    if (target.matches("button, summary, input") && [" ", "Enter"].includes(event.key)) return;
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  };
  const root = h("section", { class: "ak ak-widget ak-browser", tabindex: "0", "aria-label": "browser of rows", on: { keydown: pressed } },
    h("div", { class: "ak-bar" }, search, within, sorting, turning, wrong, ...slices),
    h("div", { class: "ak-bar" }, kind, said, h("span", { "aria-hidden": "true" }, "→"), heard, whose, clear),
    frequent, sound,
    h("div", { class: "ak-bar" }, where, before, after, h("span", { class: "ak-bar-gap" }), chosen, every, none, label),
    scroll, status.el, h("p", { class: "ak-note" }, options.told), keys);
  if (!isLive) frequent.hidden = true;
  guardKeys(root);
  el.append(root);
  cleanup.add(() => root.remove());

  // -- what happens

  transport.on("opening", () => { sound.hidden = false; });
  transport.on("clip", (clip) => {
    wave.show(clip.peaks, clip.start, Math.min(clip.end, clip.start + (clip.whole ? clip.end : clip.window)));
    status.say([...clip.warnings, "ready"].join(" · "));
  });
  transport.on("position", (seconds) => { time.textContent = `${clock(seconds)} / ${clock(transport.duration)}`; });
  transport.on("state", (isPlaying) => rows.forEach(({ id, playing }) => {
    if (playing) playing.textContent = isPlaying && id === transport.id ? "❚❚" : "▶";
  }));
  transport.on("error", (error) => status.say(error.code === "offline" ? "this row's sound is not in this page" : error.message, "bad"));
  channel.on("slow", () => status.say("no answer from the kernel yet: it is busy, or gone", "busy"));
  channel.on("answer", () => { if (status.el.dataset.kind === "busy" && !channel.isWaiting) status.say("ready"); });
  channel.on("selected", (content) => { selected(content.selected); load(page, cursor); });
  const changed = () => { // by a cell, not by this page
    const state = model.get("state");
    if (same(state.query, query) && state.page === page) return;
    if (channel.isWaiting) return; // the page is ahead of Python
    ({ query } = state);
    search.value = query.search;
    load(state.page);
  };
  model.on("change:state", changed);
  cleanup.add(() => model.off("change:state", changed));
  const { error } = query;
  if (error) [kind.value, said.value, heard.value, whose.value] = [error.kind ?? "", error.said ?? "", error.heard ?? "", error.system ?? ""];
  load(page);
  return () => cleanup.run();
}

export default { render };
