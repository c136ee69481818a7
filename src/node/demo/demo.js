// The page of the demo: the list of rooms comes from `/`, the chat is on `/chat`; both share one connection.
// Whatever somebody typed reaches the page as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const LOG_LIMIT = 300;
const TYPING_MS = 3000;
const ACK_MS = 5000;

/** Who and where I am; the name outlives a reload of this tab, another tab is somebody else. */
const me = { id: null, room: null, name: sessionStorage.getItem("name") ?? "" };
/** The room to join as soon as there is a connection. */
let wanted = me.name ? roomOfAddress() : null;
/** Id to name, of those who are here. */
let members = new Map();
/** Id to timer, of those who are writing. */
const typing = new Map();
let lastNumber = 0;
let lastFrom = null;
let toldTyping = 0;

// ---- building blocks ---------------------------------------------------------------------------------------------------

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function avatar(id, name) {
  const made = element("span", "avatar", [...name][0] ?? "?");
  let hue = 0;
  for (const character of id) hue = (hue * 31 + character.codePointAt(0)) % 360;
  made.style.setProperty("--hue", hue);
  made.setAttribute("aria-hidden", "true");
  return made;
}

function append(line) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  log.querySelector(".empty")?.remove();
  log.append(line);
  while (log.childElementCount > LOG_LIMIT) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function note(text) {
  lastFrom = null;
  append(element("p", "note", text));
}

function status(state, text, detail = "") {
  $("status").dataset.state = state;
  $("status-text").textContent = text;
  $("status-detail").textContent = detail;
  for (const control of [$("text"), $("say").querySelector("button"), $("join-button")]) {
    control.disabled = state !== "connected";
  }
}

function roomOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)).trim() || "lobby";
  } catch {
    return "lobby";
  }
}

// ---- what is shown -----------------------------------------------------------------------------------------------------

function showRooms(rooms) {
  // A list that is built anew would take the focus of whoever is walking through it.
  const focused = document.activeElement?.dataset?.room;
  const lines = rooms.map(({ name, count }) => {
    const button = element("button");
    button.type = "button";
    button.dataset.room = name;
    button.append(element("span", "label", name));
    const badge = element("span", "count", String(count));
    badge.title = count === 1 ? "1 person" : `${count} people`;
    if (count === 0) badge.dataset.empty = "";
    button.append(badge);
    button.addEventListener("click", () => enter(name));
    const line = element("li");
    line.append(button);
    return line;
  });
  $("rooms").replaceChildren(...lines);
  markRoom();
  if (focused !== undefined) {
    [...$("rooms").querySelectorAll("button")].find((button) => button.dataset.room === focused)?.focus();
  }
}

function markRoom() {
  for (const button of $("rooms").querySelectorAll("button")) {
    if (button.dataset.room === me.room) {
      button.setAttribute("aria-current", "true");
      button.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else {
      button.removeAttribute("aria-current");
    }
  }
  $("join-button").textContent = `Join #${roomOfAddress()}`;
}

function showMembers({ count, members: listed }) {
  const now = new Map(listed.map(({ id, name }) => [id, name]));
  // Not for the list that is the first I see of a room.
  if (members.size > 0) {
    for (const [id, name] of now) if (!members.has(id)) note(`${name} joined`);
    for (const [id, name] of members) if (!now.has(id)) note(`${name} left`);
  }
  members = now;
  for (const id of typing.keys()) if (!now.has(id)) showTyping({ id, is_typing: false });
  const lines = listed.map(({ id, name }) => {
    const line = element("li");
    line.append(avatar(id, name), element("span", "name", name));
    if (id === me.id) line.append(element("span", "you", "you"));
    return line;
  });
  if (count > listed.length) lines.push(element("li", "more", `and ${count - listed.length} more`));
  $("people").replaceChildren(...lines);
  $("count").textContent = String(count);
}

function showMessage({ number, from, name, text, at }) {
  // What was said while I joined may come twice: in the history and by itself.
  if (number <= lastNumber) return;
  lastNumber = number;
  const line = element("article", "message");
  line.classList.toggle("mine", from === me.id);
  line.classList.toggle("more", from === lastFrom);
  lastFrom = from;
  const time = element("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = new Date(at).toISOString();
  const meta = element("div", "meta");
  meta.append(element("span", "who", name), time);
  line.append(avatar(from, name), meta, element("div", "text", text));
  append(line);
  showTyping({ id: from, is_typing: false });
}

function showTyping({ id, is_typing }) {
  clearTimeout(typing.get(id));
  typing.delete(id);
  if (is_typing && members.has(id)) {
    typing.set(id, setTimeout(() => showTyping({ id, is_typing: false }), TYPING_MS + 1000));
  }
  const names = [...typing.keys()].map((one) => members.get(one));
  $("typing").textContent =
    names.length === 0 ? "" : names.length === 1 ? `${names[0]} is writing…` : `${names.length} people are writing…`;
}

function showWelcome(error) {
  $("room").hidden = true;
  $("people-panel").hidden = true;
  $("welcome").hidden = false;
  $("join-error").textContent = error ?? "";
  $("name").value = me.name;
  markRoom();
}

// ---- what I do ---------------------------------------------------------------------------------------------------------

/** Emits and resolves to what the server acknowledged with `{ok}`; anything else is an error. */
async function ask(event, ...args) {
  let answer;
  try {
    answer = await chat.timeout(ACK_MS).emitWithAck(event, ...args);
  } catch {
    throw new Error("The server did not answer.");
  }
  if ("error" in answer) throw Object.assign(new Error(answer.error), { isRefusal: true });
  return answer.ok;
}

/** Joins a room, or the one I was in before the connection was lost. */
async function enter(room) {
  if (!me.name) {
    history.replaceState(null, "", `#${encodeURIComponent(room)}`);
    markRoom();
    $("name").focus();
    return;
  }
  const isBack = me.room === room;
  wanted = room;
  try {
    const joined = await ask("join", { room, name: me.name });
    if (!isBack) {
      $("log").replaceChildren();
      lastFrom = null;
      lastNumber = 0;
    }
    members = new Map();
    Object.assign(me, { id: joined.id, room: joined.room, name: joined.name });
    sessionStorage.setItem("name", me.name);
    history.replaceState(null, "", `#${encodeURIComponent(me.room)}`);
    $("room-title").textContent = `# ${me.room}`;
    document.title = `#${me.room} – actix-socketio demo`;
    $("welcome").hidden = true;
    $("room").hidden = false;
    $("people-panel").hidden = false;
    joined.history.forEach(showMessage);
    if ($("log").childElementCount === 0) {
      $("log").append(element("p", "empty", "Nothing has been said here yet. Open another tab and say hello."));
    }
    $("log").scrollTop = $("log").scrollHeight;
    markRoom();
    if (!isBack) $("text").focus();
  } catch (error) {
    // Without an answer it is tried again with the next connection.
    if (!error.isRefusal && me.room) return note(error.message);
    if (error.isRefusal) wanted = null;
    me.room = null;
    showWelcome(error.message);
    $("name").focus();
  }
}

async function say() {
  const text = $("text").value.trim();
  if (!text) return;
  $("say-error").textContent = "";
  $("text").value = "";
  toldTyping = 0;
  try {
    await ask("message", text);
  } catch (error) {
    $("say-error").textContent = error.message;
    if (!$("text").value) $("text").value = text;
  }
}

function tellTyping() {
  const now = Date.now();
  const isTyping = $("text").value !== "";
  if (isTyping && now - toldTyping < TYPING_MS) return;
  if (!isTyping && toldTyping === 0) return;
  toldTyping = isTyping ? now : 0;
  chat.volatile.emit("typing", isTyping);
}

// ---- the connection ----------------------------------------------------------------------------------------------------

let chat;

function connect() {
  const everybody = window.io("/");
  chat = window.io("/chat");
  const { io: manager } = chat;
  const showTransport = () => status("connected", "Connected", `by ${manager.engine.transport.name}`);

  everybody.on("rooms", showRooms);
  chat.on("members", showMembers);
  chat.on("message", showMessage);
  chat.on("typing", showTyping);
  chat.on("connect", () => {
    if (me.room) note("You are back.");
    showTransport();
    manager.engine.once("upgrade", showTransport);
    if (wanted) enter(wanted);
  });
  chat.on("disconnect", () => {
    status("lost", "Connection lost, trying again…");
    if (me.room) note("The connection is lost.");
  });
  chat.on("connect_error", (error) => {
    status("lost", chat.active ? "No connection, trying again…" : `Refused: ${error.message}`);
  });
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  me.name = $("name").value.trim();
  enter(roomOfAddress());
});
$("new-room").addEventListener("submit", (event) => {
  event.preventDefault();
  const room = $("new-room-name").value.trim();
  if (!room) return;
  $("new-room-name").value = "";
  enter(room);
});
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  say();
});
$("text").addEventListener("input", tellTyping);
$("leave").addEventListener("click", () => {
  me.room = wanted = null;
  if (chat.connected) chat.emit("leave");
  members = new Map();
  document.title = "actix-socketio demo";
  showWelcome();
  $("name").focus();
});
window.addEventListener("hashchange", () => {
  if (me.room) {
    if (roomOfAddress() !== me.room) enter(roomOfAddress());
  } else {
    markRoom();
  }
});

$("snippet").textContent = [
  'import { io } from "socket.io-client";   // npm install socket.io-client',
  `const chat = io("${location.origin}/chat");`,
  'chat.emit("join", { room: "lobby", name: "Grace" }, () => chat.emit("message", "Hello from a program"));',
].join("\n");
$("name").value = me.name;
markRoom();
if (window.io) {
  status("connecting", "Connecting…");
  connect();
} else {
  status("failed", "No client");
  $("join-error").textContent =
    "The Socket.IO client could not be loaded: there is no npm install of socket.io-client here, and its CDN is out of reach.";
}
