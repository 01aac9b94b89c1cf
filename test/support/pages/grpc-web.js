/**
 * What a page does with gRPC-Web: @connectrpc/connect-web, as its users have it.
 *
 * Served to Chromium by ../page-server.ts; `globalThis.calls` is what a test calls.
 */
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';

const set = new Uint8Array(await (await fetch('/descriptors')).arrayBuffer());
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, set));
const service = registry.getService('sluice.library.Library');
const Book = registry.getMessage('sluice.library.Book');
const headers = { 'x-tenant': 'seven' };

const clientOf = (baseUrl) => createClient(service, createGrpcWebTransport({ baseUrl }));

const pairs = (fields) => Object.fromEntries([...fields].filter(([name]) => /note/.test(name)));

function failure(error) {
  const found = ConnectError.from(error);
  return {
    code: Code[found.code],
    message: found.rawMessage,
    titles: found.findDetails(Book).map(({ title }) => title),
    metadata: pairs(found.metadata),
  };
}

/** One reply, with what came before and behind it. */
async function getBook(baseUrl, name, options = {}) {
  let before = {};
  let behind = {};
  try {
    const { title } = await clientOf(baseUrl).getBook(
      { name },
      {
        headers,
        onHeader: (fields) => {
          before = pairs(fields);
        },
        onTrailer: (fields) => {
          behind = pairs(fields);
        },
        ...options,
      },
    );
    return { title, before, behind };
  } catch (error) {
    return failure(error);
  }
}

/** Names as they come; after `enough` of them the page leaves. */
async function listBooks(baseUrl, shelf, count, enough = Number.POSITIVE_INFINITY) {
  const names = [];
  const leaving = new AbortController();
  try {
    const books = clientOf(baseUrl).listBooks(
      { shelf, count },
      { headers, signal: leaving.signal },
    );
    for await (const { name } of books) {
      names.push(name);
      if (names.length >= enough) leaving.abort();
    }
    return { names };
  } catch (error) {
    return { names, ...failure(error) };
  }
}

globalThis.calls = { getBook, listBooks };
