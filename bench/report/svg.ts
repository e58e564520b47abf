import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

const STYLE = `svg { color: #24292f; } @media (prefers-color-scheme: dark) { svg { color: #e6edf3; } }`;

/** A picture that stands alone: with the name space that files need, and the colours of the page it is shown on. */
export function svg(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html><body></body></html>');
  const plot = Plot.plot({ ...options, document, style: { background: 'transparent', fontSize: '11px' } });
  plot.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const style = document.createElement('style');
  style.textContent = STYLE;
  plot.prepend(style);
  return `${plot.outerHTML}\n`;
}
