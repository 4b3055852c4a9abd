// A link to a line and column of the design puts the caret there.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-place]");
  const field = document.getElementById("id_yaml");
  if (!link || !field) return;
  event.preventDefault();
  const [line, column] = link.dataset.place.split(":").map(Number);
  const lines = field.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const at = start + Math.min(column - 1, (lines[line - 1] || "").length);
  field.focus();
  field.setSelectionRange(at, start + (lines[line - 1] || "").length);
  field.scrollIntoView({ block: "center" });
});
