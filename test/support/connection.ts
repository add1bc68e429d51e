import pg from 'pg';

/**
 * A connection for the test. If it breaks, its running or next statement fails; the listener keeps the break from
 * becoming an uncaught error of the whole run as well.
 */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Runs one statement on a new connection, which it closes. */
export async function run(url: string, sql: string): Promise<pg.QueryResultRow[]> {
  const client = await connect(url);
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
