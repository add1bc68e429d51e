// Runs in the page. Returns JSON: the number of visible texts, and those with a contrast (WCAG 2.2) under 4.5 to 1.
(() => {
  const numbersOf = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const blend = ([r, g, b, alpha = 1], under) => [r, g, b].map((value, at) => value * alpha + under[at] * (1 - alpha));

  function luminance(color) {
    const [r, g, b] = color
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function groundOf(element) {
    const under = element.parentElement ? groundOf(element.parentElement) : [255, 255, 255];
    return blend(numbersOf(getComputedStyle(element).backgroundColor), under);
  }

  function contrastOf(element) {
    const ground = groundOf(element);
    const text = blend(numbersOf(getComputedStyle(element).color), ground);
    const [darker, lighter] = [luminance(text), luminance(ground)].sort((a, b) => a - b);
    return (lighter + 0.05) / (darker + 0.05);
  }

  const faint = [];
  let texts = 0;
  const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const text = nodes.currentNode.data.trim();
    const element = nodes.currentNode.parentElement;
    if (text === '' || !element.checkVisibility() || ['SCRIPT', 'STYLE', 'OPTION'].includes(element.tagName)) continue;
    texts += 1;
    const contrast = contrastOf(element);
    if (contrast < 4.5) faint.push(`${text.slice(0, 40)}: ${contrast.toFixed(2)} (${element.className})`);
  }
  return JSON.stringify({ texts, faint: [...new Set(faint)] });
})();
