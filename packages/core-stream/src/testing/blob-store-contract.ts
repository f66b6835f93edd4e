import assert from 'node:assert/strict';
import type { BlobStore } from '../checkpoint/blob-store.js';
import { contractCases, type ContractCase, type ContractPlace } from './contract-case.js';

/**
 * What a `BlobStore` must do, for any test runner: `for (const { name, run } of blobStoreContract(make)) it(name, run)`.
 */
export function blobStoreContract(make: () => Promise<ContractPlace<BlobStore>>): readonly ContractCase[] {
  return contractCases(make, {
    'has nothing at first': async (open) => {
      const store = open();
      assert.equal(await store.get('a/b'), undefined);
      assert.deepEqual(await store.list(''), []);
      assert.deepEqual(await store.list('a/'), []);
      await store.delete(['a/b']);
    },

    'gives back what was put, in whatever pieces, to everybody': async (open) => {
      assert.equal(await open().put('a/b', [bytes('one'), bytes(''), bytes('two')]), true);
      assert.equal(text(await open().get('a/b')), 'onetwo');
      async function* pieces() {
        for (const piece of ['three', 'four']) yield await Promise.resolve(bytes(piece));
      }
      assert.equal(await open().put('c', pieces()), true);
      assert.equal(text(await open().get('c')), 'threefour');
    },

    'keeps an object without bytes': async (open) => {
      await open().put('empty', []);
      assert.equal(text(await open().get('empty')), '');
      assert.deepEqual(await open().list('e'), [{ name: 'empty', bytes: 0 }]);
    },

    'replaces an object': async (open) => {
      await open().put('a', [bytes('a longer one')]);
      assert.equal(await open().put('a', [bytes('short')]), true);
      assert.equal(text(await open().get('a')), 'short');
    },

    'leaves an object alone with ifAbsent': async (open) => {
      assert.equal(await open().put('a', [bytes('first')], { ifAbsent: true }), true);
      assert.equal(await open().put('a', [bytes('second')], { ifAbsent: true }), false);
      assert.equal(text(await open().get('a')), 'first');
      await open().delete(['a']);
      assert.equal(await open().put('a', [bytes('third')], { ifAbsent: true }), true);
    },

    'lets one of several win with ifAbsent': async (open) => {
      const contents = Array.from({ length: 8 }, (_, i) => `content ${i}`);
      const won = await Promise.all(
        contents.map((content) => open().put('x/y', [bytes(content)], { ifAbsent: true })),
      );
      assert.equal(won.filter(Boolean).length, 1);
      assert.equal(text(await open().get('x/y')), contents[won.indexOf(true)]);
    },

    'reads a range, and less where the object ends earlier': async (open) => {
      await open().put('a', [bytes('0123456789')]);
      const read = async (offset: number, length: number) => text(await open().get('a', { offset, length }));
      assert.equal(await read(0, 10), '0123456789');
      assert.equal(await read(3, 4), '3456');
      assert.equal(await read(9, 1), '9');
      assert.equal(await read(8, 5), '89');
      assert.equal(await read(4, 0), '');
    },

    'lists what begins with a prefix, with its bytes': async (open) => {
      for (const name of ['chk-1/state', 'chk-1/MANIFEST.json', 'chk-10/state', 'other', 'segments/a%20b'])
        await open().put(name, [bytes(name)]);
      const list = async (prefix: string) => (await open().list(prefix)).map(({ name }) => name).sort();
      assert.deepEqual(await list('chk-'), ['chk-1/MANIFEST.json', 'chk-1/state', 'chk-10/state']);
      assert.deepEqual(await list('chk-1/'), ['chk-1/MANIFEST.json', 'chk-1/state']);
      assert.deepEqual(await list('chk-1/M'), ['chk-1/MANIFEST.json']);
      assert.deepEqual(await list('segments/'), ['segments/a%20b']);
      assert.deepEqual(await list('nothing/'), []);
      assert.equal((await list('')).length, 5);
      assert.deepEqual(await open().list('oth'), [{ name: 'other', bytes: 5 }]);
    },

    'deletes, also what is not there': async (open) => {
      for (const name of ['a/1', 'a/2', 'b']) await open().put(name, [bytes(name)]);
      await open().delete(['a/1', 'a/1', 'b', 'c/d']);
      assert.deepEqual(await open().list(''), [{ name: 'a/2', bytes: 3 }]);
      await open().delete(['a/2']);
      await open().put('a/3', [bytes('again')]);
      assert.equal(text(await open().get('a/3')), 'again');
    },

    'leaves everything as it was where the pieces fail half-way': async (open) => {
      const store = open();
      await store.put('a', [bytes('old')]);
      for (const name of ['a', 'b/c']) {
        async function* pieces() {
          yield await Promise.resolve(bytes('half of the new one'));
          throw new Error('no more of it');
        }
        await assert.rejects(store.put(name, pieces()), /no more of it/);
      }
      assert.deepEqual(await open().list(''), [{ name: 'a', bytes: 3 }]);
      assert.equal(text(await open().get('a')), 'old');
    },

    'keeps large objects whole': async (open) => {
      const pieces = Array.from({ length: 50 }, (_, i) => new Uint8Array(70_000 + i).fill(i));
      await open().put('large', pieces);
      assert.ok(Buffer.concat(pieces).equals((await open().get('large')) ?? new Uint8Array()));
    },

    'takes several objects at a time, while others are read and removed': async (open) => {
      const store = open();
      const names = Array.from({ length: 20 }, (_, i) => `many/${i}`);
      await Promise.all([
        ...names.map((name) => store.put(name, [bytes(name)])),
        store.list('many/'),
        store.delete(['many/none']),
      ]);
      for (const name of names) assert.equal(text(await store.get(name)), name);
    },
  });
}

function bytes(content: string): Uint8Array {
  return Buffer.from(content);
}

function text(content: Uint8Array | undefined): string | undefined {
  return content === undefined ? undefined : Buffer.from(content).toString();
}
