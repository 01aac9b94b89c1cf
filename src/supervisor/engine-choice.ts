/**
 * Decides which engine speaks with the clients of each listener.
 *
 * Thread: supervisor (on the main thread): the native library is never loaded anywhere else, and
 * here only when a listener asks for it or could use it. The rule for `auto`:
 *
 *     a listener needs what uws cannot do   wire, for all of them: one acceptor, one engine
 *     a listener shares its port            uws, where this Node cannot do that by itself
 *     there are several acceptors           wire
 *     no binary loads on this machine       wire
 *     its parser gets requests wrong        wire   (uws/parser-check.ts)
 *     else                                  uws
 */

import type { EngineSource } from '../acceptor/acceptor.js';
import type { CreateEngine } from '../acceptor/client-engine.js';
import { wireEngine } from '../acceptor/net/wire-engine.js';
import {
  loadNativeBinary,
  NativeBinaryError,
  type UwsModule,
} from '../acceptor/uws/native-binary.js';
import { checkParser } from '../acceptor/uws/parser-check.js';
import { uwsEngine } from '../acceptor/uws/uws-engine.js';
import type { Clock } from '../base/clock.js';
import type { EngineName } from '../base/listener-address.js';
import type { GatewaySettings } from '../config/compiled-config.js';
import type { ListenerSettings } from '../config/listener-settings.js';

export interface EngineChoiceParts {
  readonly clock: Clock;
  /** Default: as {@link loadNativeBinary} does it. @throws NativeBinaryError when none loads. */
  load?(): UwsModule;
}

/** The engines of a gateway, and why they are these. */
export class EngineChoice implements EngineSource {
  constructor(
    /** That of listeners which leave the choice. */
    private readonly auto: EngineName,
    /** Half a sentence for the log. */
    readonly reason: string,
    /** The library, where it was loaded. */
    private readonly uws: UwsModule | null = null,
  ) {}

  engineOf({ engine, wireOnly }: Pick<ListenerSettings, 'engine' | 'wireOnly'>): EngineName {
    if (engine !== 'auto') return engine;
    return wireOnly.length > 0 ? 'wire' : this.auto;
  }

  /** @throws NativeBinaryError when no binary loads on this machine. */
  create(name: EngineName): CreateEngine {
    return name === 'wire' ? wireEngine() : uwsEngine(this.uws ?? loadNativeBinary());
  }

  /** All that the library gets wrong, where it was loaded; takes its time. */
  async flaws(clock: Clock): Promise<readonly string[]> {
    return this.uws === null ? [] : await checkParser(this.uws, clock, true);
  }
}

/**
 * Looks at listeners and library.
 *
 * @throws NativeBinaryError when a listener asks for a library that does not load.
 */
export async function chooseEngines(
  { listeners, acceptors, machine }: Pick<GatewaySettings, 'listeners' | 'acceptors' | 'machine'>,
  { clock, load = loadNativeBinary }: EngineChoiceParts,
): Promise<EngineChoice> {
  const isAsked = listeners.some(({ engine }) => engine === 'uws');
  const isOpen = listeners.some(({ engine }) => engine === 'auto');
  const sharing = machine.sharesPorts ? undefined : listeners.find(isShared);
  const cells = acceptors > 1 && sharing === undefined ? `${acceptors} acceptors need it` : '';
  const need = needOf(listeners) || cells;
  if (!isAsked && !isOpen) return new EngineChoice('wire', 'the configuration says so');
  if (!isAsked && need !== '') return new EngineChoice('wire', need);
  let uws: UwsModule;
  try {
    uws = load();
  } catch (error) {
    if (isAsked || !(error instanceof NativeBinaryError)) throw error;
    return new EngineChoice('wire', error.message);
  }
  if (!isAsked && sharing !== undefined) {
    const why = `the listener ${sharing.name} shares its port, which this Node cannot do by itself`;
    return new EngineChoice('uws', why, uws);
  }
  const [flaw] = isOpen && need === '' ? await checkParser(uws, clock, false) : [need];
  const auto = flaw === undefined ? 'uws' : 'wire';
  if (isAsked) return new EngineChoice(auto, 'the configuration says so', uws);
  if (flaw === undefined) {
    return new EngineChoice('uws', 'uWebSockets.js loads, and its parser is sound', uws);
  }
  return new EngineChoice('wire', `the parser of uWebSockets.js is not sound: ${flaw}`);
}

function isShared({ address }: ListenerSettings): boolean {
  return address.kind === 'tcp' && address.reusePort;
}

/** Why uws is out of the question, whatever it can do; '': it is not. */
function needOf(listeners: readonly ListenerSettings[]): string {
  for (const { name, engine, wireOnly } of listeners) {
    if (engine === 'wire') return `the listener ${name} asks for it`;
    if (wireOnly.length > 0) return `the listener ${name} needs it for ${wireOnly.join(', ')}`;
  }
  return '';
}
