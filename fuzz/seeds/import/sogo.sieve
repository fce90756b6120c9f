require ["fileinto", "imap4flags", "vacation", "relational", "date"];
if allof (currentdate :value "ge" "date" "2026-12-24", currentdate :value "le" "date" "2027-01-03") {
vacation :days 3 :addresses ["taro@example.jp", "info@example.jp"] text:
I am away {until} January.
.
;
}
if anyof (header :contains ["to", "cc"] ["shop@example.jp"]) {
    addflag "$label1";
    fileinto "Shop/Orders";
}
elsif anyof (header :is ["subject"] ["Weekly report"]) {
    addflag ["\\Seen"];
    fileinto "Reports";
    stop;
}
