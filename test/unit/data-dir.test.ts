import { expect, test } from 'vitest';
import { inDataDir } from '../../src/process/data-dir.ts';

test.each(['listen', 'connect', 'spawn /bin/sh', 'kill'])(
  'an error of the system call %s is not taken for one of DATA_DIR',
  async (syscall) => {
    const error = Object.assign(new Error(`${syscall} EPERM: operation not permitted`), { code: 'EPERM', syscall });
    const failing = inDataDir('/nowhere', () => Promise.reject(error));
    await expect(failing).rejects.toBe(error);
  },
);

test('an error of a file is told as one of DATA_DIR, with its reason', async () => {
  const error = Object.assign(new Error('EACCES: permission denied, open'), { code: 'EACCES', syscall: 'open' });
  await expect(inDataDir('/nowhere', () => Promise.reject(error))).rejects.toThrow(
    'DATA_DIR /nowhere cannot be used (EACCES: permission denied, open): start as the user who made it, or name another one',
  );
});
