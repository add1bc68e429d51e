/**
 * A number without an exponent, with the digits that JavaScript writes: the point is moved step by step.
 * @param number finite
 */
export function plainNumber(number: number): string {
  const [, sign = '', whole = '', part = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(number)) ?? [];
  let [left, right] = [whole, part];
  for (let steps = Number(exponent); steps > 0; steps -= 1) {
    left += right.slice(0, 1) || '0';
    right = right.slice(1);
  }
  for (let steps = Number(exponent); steps < 0; steps += 1) {
    right = `${left.slice(-1) || '0'}${right}`;
    left = left.slice(0, -1);
  }
  return `${sign}${left || '0'}${right && '.'}${right}`;
}
