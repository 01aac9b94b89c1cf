/** A logger that keeps what it is told. */
import { type Logger, pino } from 'pino';

/** One line: the message and the fields of the call. */
export type LoggedLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** `onLine` gets every line, of all levels. */
export function recordingLogger(onLine: (line: LoggedLine) => void = () => {}): Logger {
  return pino(
    { level: 'trace', base: null, timestamp: false },
    { write: (text: string) => onLine(JSON.parse(text) as LoggedLine) },
  );
}
