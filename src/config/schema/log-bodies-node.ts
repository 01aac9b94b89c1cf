/**
 * The schema of `logBodies` of a route.
 *
 * Thread: any (pure). A part of route-node.ts.
 */
import { booleanNode, listNode, objectNode, textNode } from '../../schema/schema-node.js';
import { textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const MEMBER_TEXT = textShape(
  '^(/([^~/]|~[01])*)+$',
  'a JSON pointer (written "/password" or "/cards/*/number")',
);

/** `logBodies` of a route. */
export const LOG_BODIES_NODE = objectNode(
  'LogBodiesConfig',
  'Puts bodies into the access records of a route: JSON and forms of up to 64 KiB that are not ' +
    'compressed, cut after 1,024 characters. Of any other body the record tells length and type. ' +
    'Members and fields with names such as `password`, `token` or `secret` are always hidden.',
  {
    request: booleanNode(
      'The body of the request, as the target gets it.',
      DEFAULTS.logBodies.request,
    ),
    reply: booleanNode(
      'The body of the reply, as the target sends it. What the gateway itself answers is told by ' +
        '`code` and `cause`.',
      DEFAULTS.logBodies.reply,
    ),
    maskBody: listNode(
      'JSON pointers to members whose values are hidden in addition; `*` stands for every member ' +
        'of an object and every item of a list. Fields of a form are members of one object.',
      textNode(MEMBER_TEXT),
      { default: DEFAULTS.logBodies.maskBody, maxItems: 64, uniqueItems: true },
    ),
  },
);
