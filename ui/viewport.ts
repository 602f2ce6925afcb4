/** Keeps the page as tall as what is visible: iOS lays the keyboard over the page, and dvh does not tell. */
export function fitViewport(): void {
  const view = window.visualViewport;
  if (!view) return;
  const fit = () => {
    // Zoomed in, the visible part is smaller without a keyboard being there.
    const covered = view.scale === 1 && innerHeight - view.height > 1;
    document.documentElement.style.setProperty("--height", covered ? `${view.height}px` : "100dvh");
    if (covered) scrollTo(0, 0);
  };
  view.addEventListener("resize", fit);
}
