# For Dovecot with Pigeonhole, to run before the users' scripts (sieve_before): mail that
# `mfilter --store lmtp:…` or `mfilter lmtp` hands over goes where mfilter says, once,
# with its flags from the first moment. Users' scripts do not see it. Compile it once with
# sievec, since the mail processes cannot write the compiled file beside it.
#
# A recipient is "user+mf:ID:LETTERS:KEYWORDS:FOLDER"@domain. If FOLDER is `=`, the
# keywords and the folder are in a header, X-Mfilter-ID: KEYWORDS (FOLDER). Nobody can
# guess ID, so that header is never a sender's.
require ["envelope", "subaddress", "variables", "imap4flags", "fileinto", "mailbox",
         "duplicate", "editheader"];

if envelope :detail :matches "to" "mf:*:*:*:*" {
  set "id" "${1}";
  set "letters" "${2}";
  set "keywords" "${3}";
  set "folder" "${4}";

  # A retry of a message that is stored already: its reply was lost.
  if duplicate :handle "mfilter" :uniqueid "${id}" :seconds 604800 {
    discard;
    stop;
  }

  if string :is "${folder}" "=" {
    if header :matches "X-Mfilter-${id}" "*(*)" {
      set "keywords" "${1}";
      set "folder" "${2}";
    } else {
      set "folder" "";
    }
    deleteheader "X-Mfilter-${id}";
  }

  if string :contains "${letters}" "D" { addflag "\\Draft"; }
  if string :contains "${letters}" "F" { addflag "\\Flagged"; }
  if string :contains "${letters}" "R" { addflag "\\Answered"; }
  if string :contains "${letters}" "S" { addflag "\\Seen"; }
  if string :contains "${letters}" "T" { addflag "\\Deleted"; }
  if not string :is "${keywords}" "" { addflag "${keywords}"; }

  if string :is "${folder}" "" { set "folder" "INBOX"; }
  fileinto :create "${folder}";
  stop;
}
