/**
 * Compresses bodies of stored replies once, for all who get them.
 *
 * Thread: worker. Owns what is being made here. A worker makes a form once at a time, however many
 * wait for it, and goes on with it when they have left; what it has made is in the store for all
 * workers. Two workers may make the same form at the same time, each once.
 *
 * Invariant: as many forms are being made as compressions were taken for them.
 */
import type { Coding } from '../../base/content-codings.js';
import type { CodedForms, FormKind } from '../coded-forms.js';
import { compressAtOnce, compressBehind } from './codecs.js';

/** What was made of a body. */
export interface MadeForm {
  readonly plain: Buffer;
  readonly compressed: Buffer;
}

/** One that waits for a form. */
export interface FormWaiter {
  onForm(made: MadeForm): void;
  onFormFailed(error: Error): void;
}

/** `begun`: the waiter is told, perhaps within the call. `busy`: too many others are compressed. */
export type MakeResult = 'begun' | 'busy' | 'gone';

/** What is needed of the compressions of the worker. */
export interface MakerParts {
  readonly parts: {
    readonly ledger: {
      countCompressed(coding: Coding): void;
      countCompressedBytes(coding: Coding, bytesIn: number, bytesOut: number): void;
    };
  };
  tryTake(isEventStream: boolean): boolean;
  tryAtOnce(coding: Coding, level: number, bytes: number): boolean;
  giveBack(isEventStream: boolean): void;
}

/** What all who wait for it have in common. */
interface Making {
  readonly forms: CodedForms;
  readonly kind: FormKind;
  readonly plain: Buffer;
  readonly waiters: FormWaiter[];
}

export class FormMaker {
  private readonly making = new Map<string, Making>();

  constructor(private readonly compressions: MakerParts) {}

  make(forms: CodedForms, kind: FormKind, waiter: FormWaiter): MakeResult {
    const { coding, level } = kind;
    const name = `${coding} ${level} ${forms.number}`;
    const known = this.making.get(name);
    if (known !== undefined) {
      known.waiters.push(waiter);
      return 'begun';
    }
    if (!this.compressions.tryTake(false)) return 'busy';
    const plain = forms.copyPlain();
    if (plain === null) {
      this.compressions.giveBack(false);
      return 'gone';
    }
    const making = { forms, kind, plain, waiters: [waiter] };
    if (this.compressions.tryAtOnce(coding, level, plain.length)) {
      this.makeAtOnce(making);
      return 'begun';
    }
    this.making.set(name, making);
    compressBehind(coding, level, plain, (error, compressed) => {
      this.making.delete(name);
      this.end(making, error, compressed);
    });
    return 'begun';
  }

  private makeAtOnce(making: Making): void {
    const { kind, plain } = making;
    let made: Buffer;
    try {
      made = compressAtOnce(kind.coding, kind.level, plain);
    } catch (error) {
      this.compressions.giveBack(false);
      throw error;
    }
    this.end(making, null, made);
  }

  private end({ forms, kind, plain, waiters }: Making, error: Error | null, made: Buffer): void {
    this.compressions.giveBack(false);
    if (error !== null) {
      for (const waiter of waiters) waiter.onFormFailed(error);
      return;
    }
    const { ledger } = this.compressions.parts;
    ledger.countCompressed(kind.coding);
    ledger.countCompressedBytes(kind.coding, plain.length, made.length);
    forms.keep(kind, made.length < plain.length ? made : null);
    for (const waiter of waiters) waiter.onForm({ plain, compressed: made });
  }
}
