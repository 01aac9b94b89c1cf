/**
 * The version of what the two ends of a lane say to each other.
 *
 * Thread: any (both ends). A worker thread loads its code from files when it starts, and may be
 * started long after the main thread: once the files of another release have taken the place of
 * those that the main thread runs, the two would read each other's records wrongly.
 */

/** To be raised with every change of a layout or of a meaning in records/ and byte-ring.ts. */
export const PROTOCOL_VERSION = 18;

/** @throws Error when the lane was allocated by code that speaks another version. */
export function checkProtocolVersion(version: number): void {
  if (version === PROTOCOL_VERSION) return;
  throw new Error(
    `the lane speaks version ${version} of its records and this thread version ` +
      `${PROTOCOL_VERSION}: the installed files are not those that the gateway was started ` +
      'from; restart the gateway',
  );
}
