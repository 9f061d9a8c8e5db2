// The page at `/`: sound in, words out, over the same API that every other client uses.

const $ = (id) => document.getElementById(id);
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

// What Whisper knows, by ISO 639; the browser has the names.
const LANGUAGES = (
  "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is " +
  "it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk " +
  "sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh"
).split(" ");
const TASK = "Automatic Speech Recognition";
const EMPTY = "What was said appears here; each word lights up as it is heard.";
const PAGES = 50; // of the list of models; a server that never gives an empty one must not hold us for ever

let sound = null; // the File to send
let shape = null; // how the chosen model takes it: {body: "raw" | "base64", optionsIn: "json" | "query", options}
let words = []; // {start, end, before, shown, span}
let lit = -1; // index of the word being heard
let under = null; // AbortController of the request under way

// ---- the API ----------------------------------------------------------------------------------------------------

class ApiError extends Error {
  constructor(response, body) {
    super(`HTTP ${response.status}`);
    this.status = `HTTP ${response.status} ${response.statusText}`.trim();
    this.retryAfter = response.headers.get("retry-after");
    this.body = body;
    try {
      this.errors = JSON.parse(body).errors ?? [];
    } catch {
      this.errors = []; // whatever stands in front of the server may answer in HTML
    }
  }
}

const address = (path) =>
  new URL(`client/v4/accounts/${encodeURIComponent($("account").value.trim())}/ai/${path}`, document.baseURI);

function authorization() {
  const token = $("token").value.trim();
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function call(url, { headers = {}, ...options } = {}) {
  const response = await fetch(url, { ...options, headers: { ...authorization(), ...headers } });
  const body = await response.text();
  let answer = null;
  try {
    answer = JSON.parse(body);
  } catch {
    // told as it came
  }
  if (!response.ok || !answer?.success) throw new ApiError(response, body);
  return answer.result;
}

function tell(error) {
  const box = $("failure");
  if (!(error instanceof ApiError)) {
    const [title, text] =
      error instanceof TypeError ? ["No answer from the server", String(error.message)] : ["That did not work", error.message];
    box.replaceChildren(element("h2", { textContent: title }), element("p", { textContent: text }));
    return;
  }
  const told = [element("h2", { className: "status", textContent: error.status })];
  const list = element("dl");
  for (const { code, message } of error.errors) {
    list.append(element("dt", { textContent: code }), element("dd", { textContent: message }));
  }
  if (error.retryAfter) {
    list.append(element("dt", { textContent: "Retry-After" }), element("dd", { textContent: `${error.retryAfter} s` }));
  }
  if (list.children.length) told.push(list);
  if (!error.errors.length) told.push(element("pre", { textContent: error.body.slice(0, 2000) || "(no body)" }));
  box.replaceChildren(...told);
}

// ---- models -----------------------------------------------------------------------------------------------------

async function listModels() {
  const select = $("model");
  const before = select.value;
  const found = new Map();
  try {
    for (let page = 1; page <= PAGES; page++) {
      const url = address("models/search");
      url.search = new URLSearchParams({ task: TASK, page });
      const models = await call(url);
      const known = found.size;
      for (const model of models) found.set(model.name, model);
      if (!models.length || found.size === known) break;
    }
  } catch (error) {
    select.replaceChildren(element("option", { value: "", textContent: "not known" }));
    tell(error);
    if (error instanceof ApiError) $("access").open = true;
    await describe();
    return;
  }
  $("failure").replaceChildren();
  select.replaceChildren(
    ...[...found.values()].map(({ name, description }) =>
      Object.assign(element("option", { value: name, textContent: name }), { title: description ?? "" }),
    ),
  );
  if (!found.size) select.append(element("option", { value: "", textContent: "none" }));
  if (found.has(before)) select.value = before;
  await describe();
}

// Reads from a model's published schema in which shape it takes sound and which options it has.
function shapeOf(input) {
  const forms = input.oneOf ?? input.anyOf ?? [input];
  const options = Object.assign({}, ...forms.map((form) => form.properties ?? {}));
  if (forms.some((form) => form.type === "string")) return { body: "raw", optionsIn: "query", options };
  const audio = forms.flatMap(({ properties }) => {
    const told = properties?.audio ?? {};
    return told.oneOf ?? told.anyOf ?? [told];
  });
  if (audio.some((form) => form.type === "string")) return { body: "base64", optionsIn: "json", options };
  return { body: "raw", optionsIn: "query", options };
}

async function describe() {
  const name = $("model").value;
  shape = null;
  refresh(); // nothing can be sent until it is known how
  if (name) {
    const url = address("models/schema");
    url.search = new URLSearchParams({ model: name });
    let found = null;
    try {
      found = shapeOf((await call(url)).input);
    } catch (error) {
      tell(error);
    }
    if (name !== $("model").value) return; // another was chosen meanwhile
    shape = found;
  }
  const options = shape?.options ?? {};
  $("language-field").hidden = !("language" in options);
  $("task-field").hidden = !("task" in options);
  $("options").hidden = $("language-field").hidden && $("task-field").hidden;
  $("model-note").textContent = $("model").selectedOptions[0]?.title ?? "";
  refresh();
}

// ---- the request ------------------------------------------------------------------------------------------------

function chosenOptions() {
  const options = {};
  for (const name of ["language", "task"]) {
    if (shape && !$(`${name}-field`).hidden && $(name).value) options[name] = $(name).value;
  }
  return options;
}

function target() {
  const url = address(`run/${$("model").value}`);
  if (shape.optionsIn === "query") url.search = new URLSearchParams(chosenOptions());
  return url;
}

const mediaType = () => sound?.type || "application/octet-stream";

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} can no longer be read; choose it again`));
    reader.readAsDataURL(file);
  });
}

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

// The request as one types it; the token is named, never shown.
function curl() {
  const lines = [`curl ${quoted(target().href)}`];
  if ($("token").value.trim()) lines.push(`-H "Authorization: Bearer $CLOUDFLARE_API_TOKEN"`);
  const file = quoted(sound?.name ?? "recording.wav");
  if (shape.body === "raw") {
    lines.push(`-H ${quoted(`Content-Type: ${mediaType()}`)}`);
    lines.push(`--data-binary @${file}`);
    return lines.join(" \\\n  ");
  }
  lines.push(`-H 'Content-Type: application/json'`, "--data-binary @-");
  const options = JSON.stringify(chosenOptions()).slice(1, -1);
  const end = `"${options && `,${options}`}}`;
  return (
    `{ printf '{"audio":"'; base64 < ${file} | tr -d '\\n'; printf '%s' ${quoted(end)}; } |\n  ` + lines.join(" \\\n    ")
  );
}

function refresh() {
  $("go").disabled = !sound || !shape || Boolean(under);
  $("stop").hidden = !under;
  $("curl").textContent = shape ? curl() : "";
  $("copy-curl").disabled = !shape;
}

async function transcribe() {
  const began = performance.now();
  const name = sound.name;
  const [url, options, isRaw] = [target(), chosenOptions(), shape.body === "raw"]; // as they are now
  under = new AbortController();
  const { signal } = under;
  clearText();
  $("failure").replaceChildren();
  $("status").textContent = `Transcribing ${name} …`;
  const ticker = setInterval(() => {
    $("elapsed").textContent = `${Math.round((performance.now() - began) / 1000)} s`;
  }, 1000);
  refresh();
  try {
    const headers = { "Content-Type": isRaw ? mediaType() : "application/json" };
    const body = isRaw ? sound : JSON.stringify({ audio: await base64(sound), ...options });
    const result = await call(url, { method: "POST", headers, body, signal });
    show(result, (performance.now() - began) / 1000);
    reveal($("text-title"));
  } catch (error) {
    $("status").textContent = error.name === "AbortError" ? "Cancelled." : "Not transcribed.";
    if (error.name !== "AbortError") {
      tell(error);
      reveal($("failure"));
    }
  } finally {
    clearInterval(ticker);
    $("elapsed").textContent = "";
    under = null;
    refresh();
  }
}

// On a small screen the answer is below the form.
function reveal(place) {
  if (place.getBoundingClientRect().top < innerHeight - 100) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  place.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
}

// ---- the answer -------------------------------------------------------------------------------------------------

// The three answers that there are: whisper's words, turbo's segments, nova-3's channels.
function read(result) {
  const channel = result.results?.channels?.[0];
  const best = channel?.alternatives?.[0];
  const info = result.transcription_info;
  return {
    text: result.text ?? best?.transcript,
    timed: result.words ?? result.segments?.flatMap((segment) => segment.words ?? []) ?? best?.words ?? [],
    language: info?.language ?? channel?.detected_language,
    duration: info?.duration ?? result.metadata?.duration,
  };
}

// Finds each word in the text, so that what stands between words (or nothing, in Chinese) is kept.
function aligned(text, timed) {
  const lower = text.toLowerCase();
  let at = 0;
  const found = timed.map(({ word, punctuated_word, start, end }, index) => {
    const told = (punctuated_word ?? word).trim();
    let place = text.indexOf(told, at);
    if (place < 0 && lower.length === text.length) place = lower.indexOf(told.toLowerCase(), at);
    if (place < 0 || place - at > 20) return { start, end, before: index ? " " : "", shown: told };
    const before = text.slice(at, place);
    at = place + told.length;
    return { start, end, before, shown: text.slice(place, at) };
  });
  return [found.filter(({ shown }) => shown), text.slice(at)];
}

function clearText() {
  words = [];
  lit = -1;
  $("text").replaceChildren(element("p", { className: "empty", textContent: EMPTY }));
  $("facts").textContent = "";
  $("words-hint").hidden = true;
  for (const id of ["copy-text", "captions"]) $(id).disabled = true;
}

function show(result, elapsed) {
  const { text, timed, language, duration } = read(result);
  if (typeof text !== "string") throw new Error(`The answer holds no text: ${JSON.stringify(result).slice(0, 500)}`);
  const box = $("text");
  box.replaceChildren();
  if (language) box.lang = language;
  else box.removeAttribute("lang");
  const [found, rest] = aligned(text.trim(), timed);
  words = found;
  for (const [index, word] of words.entries()) {
    word.span = element("span", { className: "word", textContent: word.shown, tabIndex: index ? -1 : 0 });
    word.span.setAttribute("role", "button");
    word.span.dataset.index = index;
    box.append(word.before, word.span);
  }
  box.append(words.length ? rest : text.trim());
  const silent = !text.trim();
  if (silent) box.append(element("p", { className: "empty", textContent: "Nobody speaks in this recording." }));
  $("copy-text").disabled = silent;
  $("captions").disabled = !words.length;
  $("words-hint").hidden = !words.length || $("audio").hidden;
  const count = result.word_count ?? words.length;
  const facts = [`${count} ${count === 1 ? "word" : "words"}`];
  if (duration) facts.push(`${duration.toFixed(1)} s of sound`);
  if (language) facts.push(languageName(language));
  facts.push(`answered in ${elapsed.toFixed(1)} s`);
  $("facts").textContent = facts.join(" · ");
  $("status").textContent = silent ? "Done: nobody speaks." : `Done: ${facts[0]}.`;
  follow();
}

function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

// ---- hearing and seeing -----------------------------------------------------------------------------------------

// The last word that had begun by then.
function wordAt(time) {
  let [low, high] = [0, words.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  const index = low - 1;
  return index >= 0 && time < words[index].end + 0.25 ? index : -1;
}

function follow() {
  const audio = $("audio");
  const started = audio.currentTime > 0 || !audio.paused;
  const now = started && !audio.ended ? wordAt(audio.currentTime) : -1;
  if (now === lit) return;
  words[lit]?.span.classList.remove("lit");
  words[lit]?.span.removeAttribute("aria-current");
  lit = now;
  const span = words[lit]?.span;
  if (!span) return;
  span.classList.add("lit");
  span.setAttribute("aria-current", "true");
  // keeps it in sight within its own box; the page stays where its reader has put it
  const box = $("text");
  const [inner, outer] = [span.getBoundingClientRect(), box.getBoundingClientRect()];
  if (inner.top < outer.top) box.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
}

function eachFrame() {
  follow();
  if (!$("audio").paused) requestAnimationFrame(eachFrame);
}

function hear(index) {
  const audio = $("audio");
  if (audio.hidden || !words[index]) return;
  audio.currentTime = words[index].start + 0.001;
  audio.play().catch(() => {}); // a browser may want a gesture first; the place is found all the same
}

function focusWord(index) {
  const span = words[Math.max(0, Math.min(index, words.length - 1))].span;
  for (const word of words) word.span.tabIndex = -1;
  span.tabIndex = 0;
  span.focus();
}

function onWordKey(event) {
  const index = Number(event.target.dataset?.index ?? -1);
  if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const forward = getComputedStyle(event.target).direction === "rtl" ? -1 : 1;
  const steps = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  if (event.key in steps) focusWord(index + steps[event.key]);
  else if (event.key === "Enter" || event.key === " ") hear(index);
  else return;
  event.preventDefault();
}

function load(file) {
  under?.abort();
  sound = file;
  clearText();
  $("failure").replaceChildren();
  $("status").textContent = "";
  $("chosen").textContent = `${file.name}, ${size(file.size)}`;
  $("audio-note").hidden = true;
  const audio = $("audio");
  URL.revokeObjectURL(audio.src);
  audio.src = URL.createObjectURL(file);
  audio.hidden = false;
  refresh();
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// ---- captions ---------------------------------------------------------------------------------------------------

const LINE = 42; // characters

function clock(seconds) {
  const all = Math.round(seconds * 1000);
  const part = (divisor, modulus, width) => String(Math.floor(all / divisor) % modulus).padStart(width, "0");
  return `${String(Math.floor(all / 3_600_000)).padStart(2, "0")}:${part(60_000, 60, 2)}:${part(1000, 60, 2)}.${part(1, 1000, 3)}`;
}

// WebVTT from the words: at most two lines of 42 characters and six seconds a cue, broken at pauses and full stops.
function captions() {
  const cues = [];
  let cue = null;
  for (const { start, end, before, shown } of words) {
    const full =
      cue &&
      (!twoLines([...cue.parts, before + shown]) ||
        end - cue.start > 6 ||
        start - cue.end > 0.8 ||
        (/[.!?。！？…]$/.test(cue.parts.at(-1)) && cue.parts.join("").length > 20));
    if (!cue || full) {
      cue = { start, end, parts: [] };
      cues.push(cue);
    }
    cue.parts.push(cue.parts.length ? before + shown : shown);
    cue.end = Math.max(cue.end, end);
  }
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const text = ({ parts }) => escaped(twoLines(parts) ?? flat(parts));
  return [
    "WEBVTT",
    ...cues.map((cue) => `${clock(cue.start)} --> ${clock(Math.max(cue.end, cue.start + 0.02))}\n${text(cue)}`),
  ].join("\n\n") + "\n";
}

function flat(parts) {
  return parts.join("").replace(/\s+/g, " ").trim();
}

// Words in one line or in two that are about as long; null where they do not fit.
function twoLines(parts) {
  if (flat(parts).length <= LINE) return flat(parts);
  const pairs = parts.slice(1).map((_, at) => [flat(parts.slice(0, at + 1)), flat(parts.slice(at + 1))]);
  const fitting = pairs.filter((lines) => lines.every((line) => line.length <= LINE));
  const unevenness = ([one, two]) => Math.abs(one.length - two.length);
  return fitting.sort((one, two) => unevenness(one) - unevenness(two))[0]?.join("\n") ?? null;
}

function saveCaptions() {
  const url = URL.createObjectURL(new Blob([captions()], { type: "text/vtt" }));
  element("a", { href: url, download: `${sound.name.replace(/\.[^.]*$/, "")}.vtt` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

async function copy(text, what, source) {
  try {
    await navigator.clipboard.writeText(text);
    $("said").textContent = `${what} copied`;
  } catch {
    getSelection().selectAllChildren(source); // no clipboard for this page: then by hand
    $("said").textContent = `${what} selected; copy it with your keyboard`;
  }
}

// ---- the microphone ---------------------------------------------------------------------------------------------

let recorder = null;

async function record() {
  if (recorder) {
    recorder.stop();
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    tell(new Error(`No microphone: ${error.message || error.name}`));
    return;
  }
  const types = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
  const mimeType = types.find((type) => MediaRecorder.isTypeSupported(type));
  const pieces = [];
  const began = performance.now();
  const label = () => {
    $("record-label").textContent = `Stop (${Math.floor((performance.now() - began) / 1000)} s)`;
  };
  recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  const ticker = setInterval(label, 1000);
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.onstop = () => {
    clearInterval(ticker);
    for (const track of stream.getTracks()) track.stop();
    const type = recorder.mimeType.split(";")[0];
    recorder = null;
    $("record").setAttribute("aria-pressed", "false");
    $("record-label").textContent = "Record";
    const ending = { "audio/mp4": "m4a", "audio/ogg": "ogg" }[type] ?? "webm";
    load(new File(pieces, `recording.${ending}`, { type }));
  };
  recorder.start();
  $("record").setAttribute("aria-pressed", "true");
  label();
}

// ---- wiring -----------------------------------------------------------------------------------------------------

$("language").append(
  element("option", { value: "", textContent: "not said" }),
  ...LANGUAGES.map((code) => [code, languageName(code)])
    .sort(([, a], [, b]) => a.localeCompare(b))
    .map(([value, textContent]) => element("option", { value, textContent })),
);

$("request").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!$("go").disabled) transcribe();
});
$("stop").addEventListener("click", () => under?.abort());
$("model").addEventListener("change", describe);
for (const id of ["account", "token"]) $(id).addEventListener("change", listModels);
for (const id of ["language", "task"]) $(id).addEventListener("change", refresh);
$("file").addEventListener("change", ({ target: { files } }) => files[0] && load(files[0]));

let over = 0; // enters less leaves, since each child has its own
addEventListener("dragenter", () => $("drop").classList.toggle("over", ++over > 0));
addEventListener("dragleave", () => $("drop").classList.toggle("over", --over > 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  over = 0;
  $("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) load(file);
});

if (navigator.mediaDevices && window.MediaRecorder) {
  $("record").addEventListener("click", record);
} else {
  $("record").disabled = true;
  $("record-hint").textContent = "Recording needs https, or this page opened on the server's own machine.";
  $("record-hint").hidden = false;
}

const audio = $("audio");
audio.addEventListener("play", eachFrame);
for (const kind of ["seeked", "timeupdate", "pause", "ended"]) audio.addEventListener(kind, follow);
audio.addEventListener("error", () => {
  audio.hidden = true;
  $("audio-note").hidden = false;
  $("words-hint").hidden = true;
});
audio.addEventListener("loadedmetadata", () => {
  // What a browser records says no duration until somebody has looked for its end.
  if (audio.duration !== Infinity) return;
  audio.addEventListener("durationchange", () => (audio.currentTime = 0), { once: true });
  audio.currentTime = 1e9;
});

$("text").addEventListener("click", ({ target }) => target.dataset?.index && hear(Number(target.dataset.index)));
$("text").addEventListener("keydown", onWordKey);
$("copy-text").addEventListener("click", () => copy($("text").textContent, "Text", $("text")));
$("copy-curl").addEventListener("click", () => copy($("curl").textContent, "Command", $("curl")));
$("captions").addEventListener("click", saveCaptions);

listModels();
