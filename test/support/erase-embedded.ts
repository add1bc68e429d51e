import { existsSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Deletes a DATA_DIR and its cluster, even if the cluster is outside. No PostgreSQL may run there. */
export function eraseEmbedded(dataDir: string): void {
  const place = join(dataDir, 'postgres-location');
  if (existsSync(place)) {
    const outside = readFileSync(place, 'utf8');
    rmSync(outside, { recursive: true, force: true });
    try {
      rmdirSync(dirname(outside));
    } catch {
      // The folder has the clusters of others as well.
    }
  }
  rmSync(dataDir, { recursive: true, force: true });
}
