/** Plants every bug, one after the other, each up to three times with other seeds: `node testing/planted/main.ts [PART OF A NAME]`. Ends with 1 when one is missed. */
import { plantedBugs } from "./bugs.ts";
import { plant } from "./plant.ts";

const ATTEMPTS = 3;
const wanted = process.argv[2] ?? "";
let missed = 0;
for (const bug of plantedBugs.filter(({ name }) => name.includes(wanted))) {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const result = await plant(bug, Math.floor(Math.random() * 2 ** 31));
    if (result.kind === "caught") {
      console.log(`caught: ${bug.name} (seed ${result.seed}, ${JSON.stringify(result.kinds)})`);
      break;
    }
    console.log(`missed, attempt ${attempt}: ${bug.name} (seed ${result.seed})\n${result.output}`);
    if (attempt === ATTEMPTS) missed += 1;
  }
}
process.exitCode = missed > 0 ? 1 : 0;
