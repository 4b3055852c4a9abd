// Before the first paint: the reader's choice of light or dark, if they made one.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
