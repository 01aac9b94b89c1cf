/**
 * Runs the program systemd-notify.
 *
 * Thread: supervisor (on the main thread), which does not wait for it.
 */
import { execFile } from 'node:child_process';

/** It waits until systemd has read the message; a systemd that does not is no reason to wait on. */
const RUN_MS_MAX = 5000;

/** Sends one message. Rejects when the program is not there, or says that it could not. */
export function systemdNotify(assignments: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', [...assignments], { timeout: RUN_MS_MAX }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
