/** The value of a colour token as the browser resolves it now: canvases cannot read `light-dark()`. */
let probe: HTMLElement | undefined;

export function colour(token: string): string {
  if (!probe) {
    probe = document.createElement('span');
    probe.hidden = true;
    document.documentElement.append(probe);
  }
  probe.style.color = `var(${token})`;
  return getComputedStyle(probe).color;
}
