require ["fileinto", "enotify", "include", "foreverypart", "mime", "spamtest", "vnd.dovecot.pipe", "index", "regex", "editheader", "variables"];
if header :contains "subject" "alarm" { notify "mailto:x@y.example"; stop; }
if spamtest :value "ge" "5" { fileinto "Junk"; stop; }
elsif header :contains "subject" "a" { fileinto "A"; }
else { fileinto "Rest"; }
if header :index 2 :contains "received" "x" { discard; }
foreverypart { if header :mime :type "Content-Type" "text" { discard; } }
include "nowhere";
if header :regex "subject" "(a)\\1" { keep; }
if header :contains "subject" "two  blanks" { keep; }
if header :regex "subject" "*invoice" { keep; }
if header :regex "subject" "(?i)invoice [0-9]+?" { fileinto "Bills"; }
pipe "program";
fileinto "Last" discard;
if size :over 10 { fileinto "A..B"; }
deleteheader "Received";
if header :regex "subject" "^\\[([a-z]+)\\]" { fileinto "List.${1}${2}"; }
stop;
fileinto "never";
