/** The page that says how a device comes to trust this node: its language, its theme, and the steps for this device. */
const page = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

function turnTo(language: string): void {
  page.dataset.language = language;
  page.lang = language === "zh" ? "zh-Hans" : "en";
}

function dress(): void {
  page.dataset.theme = dark.matches ? "dark" : "light";
}

function device(): string {
  const { userAgent, maxTouchPoints } = navigator;
  // An iPad says that it is a Mac.
  if (/iPhone|iPad/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1)) return "ios";
  if (/Android/.test(userAgent)) return "android";
  if (/Windows/.test(userAgent)) return "windows";
  return /Macintosh/.test(userAgent) ? "macos" : "linux";
}

turnTo(navigator.languages.map(code => code.slice(0, 2)).find(code => code === "zh" || code === "en") ?? "en");
dress();
dark.addEventListener("change", dress);
addEventListener("DOMContentLoaded", () => {
  for (const steps of document.querySelectorAll<HTMLDetailsElement>(`[data-device="${device()}"]`)) steps.open = true;
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-language]"))
    button.addEventListener("click", () => {
      const { language = "en" } = button.dataset;
      turnTo(language);
      document.querySelector<HTMLElement>(`button[data-language]:not([data-language="${language}"])`)?.focus();
    });
});

export {};
