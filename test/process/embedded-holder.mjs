import { openEmbedded } from '../../dist/embedded-postgres/embedded.js';

// A process that opens an embedded database and closes it on request, for tests in which processes are killed.
// Arguments: DATA_DIR, and `server` or `operator`. Of dist/, because to compile the sources takes seconds at each start.
const [dataDir = '', role] = process.argv.slice(2);

try {
  const embedded = await openEmbedded(dataDir, role === 'server' ? 'server' : 'operator');
  process.once('message', async () => {
    await embedded.close();
    process.disconnect();
  });
  process.send?.({ url: embedded.url, notes: embedded.notes });
} catch (error) {
  process.send?.({ refusal: error instanceof Error ? error.message : String(error) }, () => process.disconnect());
}
