/** What can be compared, and how: shown until there is a result. */

import { token } from "../../api/token";
import { Code } from "../../components/Copy";
import { Empty } from "../../components/parts";

export function Teach() {
  // In double quotes, or the shell would send the variable's name.
  const admin = token() ? `-H "authorization: Bearer $DRIFTIUM_TOKEN" ` : "";
  return (
    <Empty title="Which columns have drifted?">
      <p class="teach">
        Two tables are compared column by column: numbers and dates by Kolmogorov-Smirnov, categories by chi-square, with p-values
        corrected for the number of columns, and an effect that says whether it matters.
      </p>
      <p class="teach">
        A table is a CSV file in UTF-8 with a header row, the same number of fields in each row, and a comma, semicolon or tab
        between them; gzipped CSV and Parquet are read as well. Columns are matched by their names. Run the example above, drop a
        table of your own, or send one from a script:
      </p>
      <Code
        what="Compare two tables with curl"
        text={`curl ${admin}-F reference=@last-month.csv -F file=@this-month.csv ${location.origin}/api/monitoring/upload`}
      />
    </Empty>
  );
}
