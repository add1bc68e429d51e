import pg from 'pg';

/**
 * A connection of the test's own. One that breaks fails the statement under way, or the next one: without a listener the
 * break would be an uncaught error of the whole run, too.
 */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Runs one statement on a connection of its own. */
export async function run(url: string, sql: string): Promise<pg.QueryResultRow[]> {
  const client = await connect(url);
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
