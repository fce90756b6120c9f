require ["fileinto", "imap4flags", "variables", "envelope", "editheader"];
# Filter: Where it goes
if header :is "X-Kind" "one" { set "where" "Kinds.One"; }
elsif header :is "X-Kind" ["two", "zwei"] { set "where" "Kinds.Two"; addflag "Work"; }
elsif exists ["X-Kind", "X-Other"] { set "where" "Kinds.Other"; }
elsif header :matches "X-Kind" "?*" { discard; }
elsif header :contains "Subject" "odd" { keep; }
# what is known by now
if hasflag "Work" { addheader "X-Work" "yes"; }
if not string :is "${where}" "" { fileinto "${where}"; stop; }
if envelope :localpart :is "to" "taro" { redirect "taro@else.example"; }
if header :matches "Subject" "[*] *" {
    if address :user :is "from" "bot" { fileinto "Bots"; stop; }
    set :lower "tag" "${1}";
    if string :contains "${tag}" "urgent" { fileinto :flags ["\\Flagged"] "Urgent"; }
}
