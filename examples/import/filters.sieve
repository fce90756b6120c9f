require ["fileinto", "imap4flags", "copy", "relational", "comparator-i;ascii-numeric", "enotify"];
# rule:[Lists]
if header :contains "List-Id" ["<rust.lists.example>", "<mail.lists.example>"]
{
    addflag "\\Seen";
    fileinto "INBOX.Lists";
    stop;
}
# rule:[Scored]
if header :value "ge" :comparator "i;ascii-numeric" "X-Spam-Score" "8"
{
    fileinto "INBOX.Junk";
    stop;
}
# rule:[Alarm]
if allof (address :domain :is "from" "monitor.example", header :contains "subject" "DOWN")
{
    notify "mailto:night@work.example";
}
# rule:[Work]
if address :domain :is ["from", "sender"] "work.example"
{
    fileinto :copy "INBOX.Archive";
    redirect :copy "taro@work.example";
}
elsif size :over 5M
{
    fileinto "INBOX.Big";
}
