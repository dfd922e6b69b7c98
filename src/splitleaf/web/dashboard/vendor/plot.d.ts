// What the dashboard uses of plot.js, for the type checker. Marks and options are the library's own and not typed here.
export function plot(options: Record<string, unknown>): SVGSVGElement | HTMLElement;
