// Writes with @cityssm/eft-generator what the test gives on standard input.
import { readFileSync } from 'node:fs'

const { EFTGenerator } = await import(process.argv[2])
const { config, records } = JSON.parse(readFileSync(0, 'utf8'))
const day = (text) => new Date(`${text}T12:00:00`)
const generator = new EFTGenerator({ ...config, fileCreationDate: day(config.fileCreationDate) })
for (const { recordType, segments } of records) {
  generator.addTransaction({
    recordType,
    segments: segments.map((each) => ({ ...each, paymentDate: day(each.paymentDate) }))
  })
}
process.stdout.write(generator.toCPA005())
