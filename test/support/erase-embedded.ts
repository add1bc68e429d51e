import { existsSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Erases a DATA_DIR and its cluster, also one outside of it. No PostgreSQL may run there. */
export function eraseEmbedded(dataDir: string): void {
  const place = join(dataDir, 'postgres-location');
  if (existsSync(place)) {
    const outside = readFileSync(place, 'utf8');
    rmSync(outside, { recursive: true, force: true });
    try {
      rmdirSync(dirname(outside));
    } catch {
      // It holds the clusters of others.
    }
  }
  rmSync(dataDir, { recursive: true, force: true });
}
