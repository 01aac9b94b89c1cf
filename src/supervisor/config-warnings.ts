/**
 * What operators are to know of a configuration that is in force.
 *
 * Thread: supervisor (on the main thread). A configuration comes into force at each change of its
 * targets' addresses too, so what it shares with the one before is not said again.
 */
import type { Logger } from 'pino';
import { memoryLack } from '../config/compile/sizing.js';
import { UNVERIFIED_TARGETS, upstreamsUnverified } from '../config/compile/unverified-targets.js';
import type { SharedSettings } from '../config/shared/shared-config.js';

/** What a line of the log says of one document; `sluice validate` says more. */
const DOCUMENT_NOTES_LOGGED = 10;

interface Warning {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export type WarnedOf = Pick<
  SharedSettings,
  'documents' | 'upstreams' | 'acceptors' | 'workers' | 'machine'
>;

export class ConfigWarnings {
  /** The lines of the configuration in force. */
  private said: ReadonlySet<string> = new Set();

  constructor(private readonly logger: Logger) {}

  /** Writes what the configuration before did not have. */
  tell(config: WarnedOf): void {
    const warnings = new Map(warningsOf(config).map((one) => [JSON.stringify(one), one]));
    for (const [line, { fields, message }] of warnings) {
      if (!this.said.has(line)) this.logger.warn(fields, message);
    }
    this.said = new Set(warnings.keys());
  }
}

function warningsOf(config: WarnedOf): Warning[] {
  const lack = memoryLack(config);
  return [
    ...documentWarnings(config),
    ...upstreamsUnverified(config.upstreams).map((upstream) => ({
      fields: { upstream },
      message: UNVERIFIED_TARGETS,
    })),
    ...(lack === '' ? [] : [{ fields: {}, message: lack }]),
  ];
}

/** What of a request nobody looks at. */
function documentWarnings({ documents }: WarnedOf): Warning[] {
  return documents
    .filter(({ unsupportedCount }) => unsupportedCount > 0)
    .map(({ route, unsupported, unsupportedCount }) => ({
      fields: {
        ...{ route, unsupportedCount },
        unsupported: unsupported.slice(0, DOCUMENT_NOTES_LOGGED),
      },
      message: 'parts of an OpenAPI document are not judged',
    }));
}
