/** Values for the names in braces of `public-reports.json`. */
export type Values = Readonly<Record<string, string>>;

/** Fills every `{NAME}`, also `{NAME|upper}` and `{NAME|nodash}`, in all texts of a JSON value, keys included. */
export function fill<Value>(value: Value, values: Values): Value {
  return JSON.parse(
    JSON.stringify(value).replace(/\{([A-Za-z_]+)(?:\|(upper|nodash))?\}/g, (written, name, change) => {
      const filled = values[name];
      if (filled === undefined) return written;
      if (change === 'upper') return filled.toUpperCase();
      return change === 'nodash' ? filled.replaceAll('-', '') : filled;
    }),
  );
}
