/**
 * Messages between the main thread, which speaks with OpenID providers, and the workers, which know
 * browsers by their cookies.
 *
 * Thread: any (both ends). Plain data that survives a structured clone. Part of
 * identity-messages.ts.
 */
import type { LoginAsk, LoginEnd, LoginReply, ProviderFacts } from '../base/login.js';

/** From the main thread. */
export type LoginNotice =
  | {
      readonly type: 'loginProvider';
      readonly provider: string;
      /** null: its discovery document could not be fetched yet. */
      readonly facts: ProviderFacts | null;
    }
  | {
      readonly type: 'loginsEnded';
      /** The worker acknowledges the notice under this number; 0: it need not. */
      readonly serial: number;
      readonly ends: readonly LoginEnd[];
    }
  | {
      readonly type: 'loginStore';
      /**
       * As long as it is the same, whatever ends a session anywhere is told here. 0: ends are not
       * told now, so that a session must be read again for each request.
       */
      readonly epoch: number;
    }
  | { readonly type: 'loginReply'; readonly askId: number; readonly reply: LoginReply };

/** From a worker. */
export type LoginRequest =
  | {
      readonly type: 'loginAsk';
      readonly askId: number;
      readonly provider: string;
      readonly ask: LoginAsk;
    }
  | { readonly type: 'loginsAcknowledged'; readonly serial: number };
