/**
 * POST /chaos/worker/N/FAULT, /chaos/acceptor/N/FAULT, /chaos/store/FAULT and
 * /chaos/coordinator/crash, /hang: makes a thread fail on purpose, to show what happens to the
 * requests. An acceptor can fail only where it has a thread of its own.
 *
 * Thread: supervisor (on the main thread). These pages exist only when the environment has
 * GATEWAY_CHAOS=1.
 */
import type { CoordinatorFault } from '../../channel/coordinator/coordinator-messages.js';
import type { ThreadFault } from '../../channel/thread-fault.js';
import { type AdminHandler, type AdminReply, adminProblem } from '../admin-handler.js';

const THREAD_FAULTS: readonly ThreadFault[] = ['crash', 'hang', 'oom', 'exit'];
const COORDINATOR_FAULTS: readonly CoordinatorFault[] = ['crash', 'hang'];

/** Makes the threads fail. */
export interface FaultInjector {
  readonly workers: number;
  /** False: the lane has no worker now. */
  injectWorkerFault(lane: number, fault: ThreadFault): boolean;
  /** Acceptors in threads of their own. */
  readonly acceptors: number;
  /** False: the acceptor has no thread now. */
  injectAcceptorFault(acceptor: number, fault: ThreadFault): boolean;
  injectCoordinatorFault(fault: CoordinatorFault): void;
  /** Whether there is a thread that speaks with a store. */
  readonly hasStore: boolean;
  injectStoreFault(fault: ThreadFault): void;
}

export function faultHandlers(injector: FaultInjector): AdminHandler[] {
  const ofThreads = (
    kind: string,
    count: number,
    inject: (index: number, fault: ThreadFault) => boolean,
  ): AdminHandler[] =>
    Array.from({ length: count }, (_, index) => index).flatMap((index) =>
      THREAD_FAULTS.map((fault) =>
        faultHandler(`/chaos/${kind}/${index}/${fault}`, () => {
          const isDone = inject(index, fault);
          return isDone
            ? done(`${kind} ${index}`, fault)
            : adminProblem(409, 'Conflict', `there is no ${kind} ${index} now: ${TRY_LATER}`);
        }),
      ),
    );
  const ofCoordinator = COORDINATOR_FAULTS.map((fault) =>
    faultHandler(`/chaos/coordinator/${fault}`, () => {
      injector.injectCoordinatorFault(fault);
      return done('coordinator', fault);
    }),
  );
  const ofStore = (injector.hasStore ? THREAD_FAULTS : []).map((fault) =>
    faultHandler(`/chaos/store/${fault}`, () => {
      injector.injectStoreFault(fault);
      return done('store', fault);
    }),
  );
  return [
    ...ofThreads('worker', injector.workers, (lane, fault) =>
      injector.injectWorkerFault(lane, fault),
    ),
    ...ofThreads('acceptor', injector.acceptors, (acceptor, fault) =>
      injector.injectAcceptorFault(acceptor, fault),
    ),
    ...ofCoordinator,
    ...ofStore,
  ];
}

const TRY_LATER = 'try again when /stats says that it is served';

function faultHandler(path: string, answer: () => AdminReply): AdminHandler {
  // The environment variable is the permission: without it these pages do not exist.
  return { method: 'POST', path, needsToken: false, answer };
}

function done(thread: string, fault: string): AdminReply {
  return { status: 202, body: { thread, fault } };
}
