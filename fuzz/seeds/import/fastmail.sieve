require ["fileinto", "reject", "vacation", "imap4flags", "envelope", "relational", "regex", "subaddress", "variables", "mailbox", "duplicate", "editheader", "copy"];
### 1. Sieve generated for known spam
# Rule: Folder by address
if address :detail :is "X-Resolved-To" "shop" {
  addflag "$Shop";
  set "L1_Fileinto" "Y";
}
if not string :is "${L1_Fileinto}" "" {
  fileinto :create "INBOX.Shop";
  stop;
}
if allof (not header :contains "x-spam" "yes", duplicate :seconds 3600) { discard; stop; }
if address :matches ["from"] "*@news.example" { deleteheader "X-Big"; fileinto "INBOX.News"; }
else { keep; }
