require ["include", "environment", "variables", "relational", "comparator-i;ascii-numeric", "spamtest", "extlists", "fileinto", "imap4flags"];
# Generated: Do not run this script on spam messages
if allof (environment :matches "vnd.proton.spam-threshold" "*", spamtest :value "ge" :comparator "i;ascii-numeric" "${1}") {
    return;
}
/**
 * @type or
 * @comparator contains
 */
if anyof (address :all :comparator "i;unicode-casemap" :contains "From" ["shop.example", "sale.example"]) {
    fileinto "Shopping";
    addflag "\\Seen";
}
if header :list "from" ":addrbook:personal?label=Family" {
    fileinto "Family";
    stop;
}
# Never: the threshold is a number
if allof (environment :matches "vnd.proton.spam-threshold" "", spamtest :value "ge" :comparator "i;ascii-numeric" "5") {
    return;
}
