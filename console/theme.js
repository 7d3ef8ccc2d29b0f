// Runs before the first paint, so that a chosen theme does not flash.
{
  const said = localStorage.getItem("outlive.theme");
  if (said === "light" || said === "dark") document.documentElement.dataset.theme = said;
}
