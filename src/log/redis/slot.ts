/** The slot of a key in Redis Cluster: CRC16 (XMODEM) of its hash tag. */

const slotCount = 16_384;
const polynomial = 0x1021;
const topBit = 0x8000;
const word = 0xffff;
const bitsInByte = 8;

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << bitsInByte;
  for (let bit = 0; bit < bitsInByte; bit += 1)
    crc = (crc & topBit) === 0 ? crc << 1 : ((crc << 1) ^ polynomial) & word;
  return crc & word;
});

export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  const tag = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(tag))
    crc = ((crc << bitsInByte) & word) ^ (table[((crc >> bitsInByte) ^ byte) & 0xff] ?? 0);
  return crc % slotCount;
}
