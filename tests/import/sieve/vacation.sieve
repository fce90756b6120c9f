require ["vacation", "vacation-seconds", "variables", "vnd.proton.expire", "fileinto", "regex"];
# rule:[Away]
if header :matches "Subject" "*" { set "what" "${1}"; }
vacation :seconds 7200 :subject "Away: ${what}" :from "Taro Yamada <taro@example.jp>"
  :addresses ["taro@alias.example", "Taro <shop@example.jp>"] :handle "summer" text:
Dear friend,

  "${what}" has to wait.
.
;
# With headers of its own.
if size :over 1M {
  vacation :mime text:
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Too =6Carge
.
;
  stop;
}
if size :over 500K {
  vacation :mime "Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

Plain
--b
Content-Type: text/html

<b>Rich</b>
--b--
";
}
if size :over 450K { vacation :mime "no text"; }
if size :over 400K { vacation :from "nobody" "x"; }
if size :over 300K { vacation :fcc "Sent" "x"; }
# One level of a name each, whatever is captured.
if header :regex "List-Id" "<([a-z_0-9-]+)[.@]" { fileinto "Lists.${1}"; stop; }
if header :regex "X-Tag" "(.*)" { fileinto "Tags.${1}"; stop; }
# It expires wherever it is stored.
if header :contains "Subject" "sale" {
  fileinto "Sales";
  if size :under 10K { expire "day" "1"; }
  if header :contains "Subject" "order" { fileinto "Orders"; expire "day" "365"; stop; }
  if size :under 20K { expire "hour" "36"; stop; }
}
expire "day" "soon";
