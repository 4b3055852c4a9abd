// What pages cannot do by themselves: keys, copying, appearance, toasts that leave, focus after navigation.
const THEMES = ["", "light", "dark"];
const THEME_NAMES = { "": "as system", light: "light", dark: "dark" };
const root = document.documentElement;
let waitsForGo = false;

function showTheme() {
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.querySelector("span").textContent = "Appearance: " + THEME_NAMES[root.dataset.theme || ""];
  }
}

function switchTheme() {
  const next = THEMES[(THEMES.indexOf(root.dataset.theme || "") + 1) % THEMES.length];
  if (next) { root.dataset.theme = next; localStorage.setItem("theme", next); }
  else { delete root.dataset.theme; localStorage.removeItem("theme"); }
  showTheme();
}

function keysAreOff() { return localStorage.getItem("keys") === "off"; }

function isTyping(target) { return target.closest("input, textarea, select, [contenteditable]") !== null; }

function moveRow(step) {
  const rows = [...document.querySelectorAll("main .row-link, main .trace a")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, at + step))].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || keysAreOff()) return;
  if (waitsForGo) {
    waitsForGo = false;
    const entry = document.querySelector(`[data-go="${event.key}"]`);
    if (entry) { event.preventDefault(); entry.click(); }
    return;
  }
  if (event.key === "g") { waitsForGo = true; setTimeout(() => { waitsForGo = false; }, 1500); return; }
  if (event.key === "j") return moveRow(1);
  if (event.key === "k") return moveRow(-1);
  if (event.key === "?") { document.getElementById("keys")?.togglePopover(); return; }
  const field = event.key === "/" && document.querySelector("main input[type=search]");
  if (field) { event.preventDefault(); field.focus(); return; }
  const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (target) { event.preventDefault(); target.click(); }
});

document.addEventListener("click", async (event) => {
  const copier = event.target.closest("[data-copy]");
  if (copier) {
    const source = document.getElementById(copier.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    const label = copier.lastChild;
    const before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = before; }, 2000);
  }
  if (event.target.closest("[data-theme-switch]")) switchTheme();
  // The row whose detail is being fetched is the current one at once; the address follows.
  const row = event.target.closest(".trace a");
  if (row) markCurrent(row);
});

function markCurrent(row) {
  for (const other of document.querySelectorAll(".trace a[aria-current]")) other.removeAttribute("aria-current");
  row?.setAttribute("aria-current", "true");
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-keys-switch]")) localStorage.setItem("keys", event.target.checked ? "on" : "off");
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Errors stay until they are read; everything else leaves.
function leave(toast) { if (toast.dataset.level !== "error") setTimeout(() => toast.remove(), 6000); }

function makeLocal(scope) {
  for (const field of scope.querySelectorAll("[data-slug-from]")) {
    const source = document.getElementById(field.dataset.slugFrom);
    let isOwn = field.value !== "";
    field.addEventListener("input", () => { isOwn = true; });
    source?.addEventListener("input", () => {
      if (!isOwn) field.value = source.value.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 63);
    });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  showTheme();
  makeLocal(document);
  document.querySelectorAll(".toast").forEach(leave);
  const keys = document.querySelector("[data-keys-switch]");
  if (keys) keys.checked = !keysAreOff();
});

document.addEventListener("htmx:afterSwap", (event) => {
  event.target.querySelector?.("[aria-invalid=true]")?.focus();
  // On a narrow window the detail stands below the list: go there.
  const detail = document.getElementById("detail");
  if (event.detail.elt?.id === "detail" && detail && detail.getBoundingClientRect().top > innerHeight * 0.8) {
    detail.scrollIntoView();
    detail.focus({ preventScroll: true });
  }
});
