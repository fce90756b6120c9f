use super::*;
use crate::classify::testing::{evidence, finds, mail, message};

const DSN: &str = "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nThis is the mail system at host mx.example.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; hanako@far.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\n\n--b\nContent-Type: message/rfc822\n\nFrom: taro@example.jp\nMessage-ID: <1@example.jp>\nSubject: hello\n\nhi\n--b--\n";

#[test]
fn a_delivery_status_notification() {
    let message = message(DSN);
    assert_eq!(
        evidence(&BOUNCE, &message).as_deref(),
        Some("multipart/report; report-type=delivery-status")
    );
    let mail = mail(&message);
    assert_eq!(statuses(&mail).unwrap(), ["5.1.1"]);
    assert_eq!(recipients(&mail).unwrap(), ["hanako@far.example"]);
    assert_eq!(reasons(&mail).unwrap(), ["550 5.1.1 User unknown"]);
    assert!(report(&mail).unwrap().unwrap().returned.contains("<1@example.jp>"));
}

#[test]
fn delivered_and_read_are_no_bounces() {
    assert!(!finds(&BOUNCE, &message(&DSN.replace("Action: failed", "Action: delivered"))));
    assert!(!finds(
        &BOUNCE,
        &message(
            &DSN.replace("report-type=delivery-status", "report-type=disposition-notification")
        )
    ));
}

#[test]
fn parts_that_a_person_forwards() {
    let mixed = DSN
        .replace("multipart/report; report-type=delivery-status", "multipart/mixed")
        .replace("This is the mail system", "Help me with this; the mail system is");
    assert!(finds(&BOUNCE, &message(&mixed)), "by a mail system's name");
    let by_person = mixed.replace("MAILER-DAEMON@mx.example", "Hanako <hanako@friend.example>");
    assert!(finds(&BOUNCE, &message(&by_person)), "some mail systems have people's names");
    for prefix in ["Fwd: ", "Re: ", "WG: ", "転送: ", "Re[2]: "] {
        let subject = format!("Subject: {prefix}Undelivered");
        let forwarded = by_person.replace("Subject: Undelivered", &subject);
        assert!(!finds(&BOUNCE, &message(&forwarded)), "{prefix}");
    }
}

#[test]
fn words_of_a_mail_system() {
    let qmail = message(
        "From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.example.\n\n<hanako@far.example>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.2.2 full\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <taro@example.jp>\nMessage-ID: <1@example.jp>\n",
    );
    let mail = mail(&qmail);
    assert_eq!(statuses(&mail).unwrap(), ["5.2.2"]);
    assert_eq!(actions(&mail).unwrap(), ["failed"]);
    assert_eq!(recipients(&mail).unwrap(), ["hanako@far.example"]);
    assert!(report(&mail).unwrap().unwrap().returned.contains("Message-ID: <1@example.jp>"));
}

#[test]
fn a_postmaster_may_write_about_delivery_and_fml_rejects_mail() {
    let person = "Return-Path: <postmaster@far.example>\nFrom: Jo <postmaster@far.example>\nSubject: Delivery problem\n\nMail from you to bo@far.example fails. Could you look at your relay?\n";
    assert!(!finds(&BOUNCE, &message(person)));
    assert!(finds(
        &BOUNCE,
        &message(&person.replace("<postmaster@far.example>\nFrom", "<>\nFrom"))
    ));
    let fml = "From: fml-admin@lists.example\nX-MLServer: fml [fml 4.0]\nSubject: NOT MEMBER article from taro@example.jp\n\nYou (taro@example.jp) are not member.\n";
    assert!(finds(&BOUNCE, &message(fml)));
    let au = "From: no-reply@app.au.example\nSubject: Message delivery failure\n\nYour mail sent on: Mon, 12 Oct 2026\nCould not be delivered to: bo@far.example\nAs their mailbox is full.\n";
    assert!(finds(&BOUNCE, &message(au)));
    assert!(!finds(&BOUNCE, &message(&au.replace("mailbox is full", "shop is closed"))));
}

#[test]
fn words_alone_mean_a_status() {
    let delay = message(
        "From: Mail Delivery System <Mailer-Daemon@mx.example>\nSubject: Warning: message delayed 24 hours\n\nA message that you sent has not yet been delivered to\n\n  hanako@far.example\n    mailbox is full\n",
    );
    assert_eq!(statuses(&mail(&delay)).unwrap(), ["4.2.2"]);
    assert_eq!(actions(&mail(&delay)).unwrap(), ["delayed"]);
    let system = message(
        "Return-Path: <>\nFrom: a@b.example\nSubject: x\n\nUnknown user: hanako@far.example\n",
    );
    assert_eq!(statuses(&mail(&system)).unwrap(), ["5.1.1"]);
}

/// `who` is the header of the mail system.
#[track_caller]
fn check(who: &str, subject: &str, text: &str, recipient: &str, status: &str) {
    let raw = format!(
        "{who}\nTo: taro@example.jp\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
    );
    let message = message(&raw);
    let mail = mail(&message);
    assert_eq!(recipients(&mail).unwrap(), [recipient], "{raw}");
    assert_eq!(statuses(&mail).unwrap(), [status], "{raw}");
}

#[test]
fn words_of_many_languages() {
    let daemon = "From: MAILER-DAEMON@mx.example";
    for (subject, text, status) in [
        (
            "Unzustellbar: Hallo",
            "Ihre Nachricht an x@far.example konnte nicht zugestellt werden. Der Empfänger x wurde in far.example nicht gefunden.",
            "5.1.1",
        ),
        (
            "Échec de la remise",
            "Votre message à x@far.example n’a pas pu être remis : la boîte aux lettres est pleine.",
            "5.2.2",
        ),
        ("No se pudo entregar", "El buzón de x@far.example está lleno.", "5.2.2"),
        ("Mancata consegna", "x@far.example: casella inesistente", "5.1.1"),
        ("Falha na entrega", "A conta x@far.example foi desativada.", "5.2.1"),
        (
            "Bericht niet bezorgd",
            "Uw bericht aan x@far.example is niet afgeleverd: gebruiker onbekend",
            "5.1.1",
        ),
        ("Nie dostarczono wiadomości", "Skrzynka odbiorcza x@far.example jest pełna.", "5.2.2"),
        ("Nedoručitelná zpráva", "Příjemce x@far.example neexistuje.", "5.1.1"),
        ("Ошибка доставки", "Почтовый ящик x@far.example переполнен", "5.2.2"),
        ("Teslim edilemedi", "x@far.example adresli kullanıcı bulunamadı", "5.1.1"),
        ("配信エラー", "x@far.example のメールボックスが一杯です。", "5.2.2"),
        ("退信通知", "收件人：x@far.example 的邮箱不存在", "5.1.1"),
        ("Sikertelen kézbesítés", "A postafiók (x@far.example) nem létezik.", "5.1.1"),
        ("Лист не доставлено", "x@far.example: скриньку переповнено", "5.2.2"),
        ("Leveransen misslyckades", "x@far.example: mottagarens brevlåda är full", "5.2.2"),
        ("未達メール通知", "宛先: x@far.example\n容量が一杯です。", "5.2.2"),
        ("전송 실패", "받는 사람: x@far.example\n사서함 용량이 초과되었습니다.", "5.2.2"),
        (
            "Nije isporučeno",
            "Vašu poruku za x@far.example nije bilo moguće isporučiti. Korisnik ne postoji.",
            "5.1.1",
        ),
        ("Thư không gửi được", "Hộp thư của x@far.example đã đầy.", "5.2.2"),
        ("Mesaj nelivrat", "x@far.example: Utilizatorul nu există.", "5.1.1"),
        ("पत्र", "<x@far.example>: उपयोगकर्ता मौजूद नहीं है", "5.1.1"),
        ("Fel", "Till x@far.example kunde inte levereras, eftersom adressen inte finns.", "5.1.1"),
        ("Feil", "Innboksen til x@far.example er full.", "5.2.2"),
        ("Fout", "Het domein van x@far.example bestaat niet.", "5.1.2"),
        ("Erreur", "L'adresse x@far.example n'existe plus.", "5.1.1"),
        ("Error", "x@far.example: alias unknown", "5.1.1"),
        ("エラー", "x@far.example: サーバーが応答しないため配送できませんでした。", "5.4.1"),
        (
            "Kan inte levereras: hej",
            "Det gick inte att leverera meddelandet till x@far.example. Det gick inte att hitta e-postadressen.",
            "5.1.1",
        ),
        ("قابل تحویل نیست", "پیام شما به x@far.example تحویل داده نشد. نشانی پیدا نشد.", "5.1.1"),
        (
            "Non se puido entregar",
            "Non se puido entregar a mensaxe a x@far.example. Non se atopou o enderezo.",
            "5.1.1",
        ),
        ("Zustellproblem", "<x@far.example>: Speicherplatz des Empfängers erschöpft", "5.2.2"),
        ("failure notice", "<x@far.example>: Sorry, there is no one at this address.", "5.1.1"),
        ("failure notice", "<x@far.example>: Message is larger than the system limit", "5.3.4"),
        ("失敗通知", "<x@far.example>: そのようなユーザーはおりません", "5.1.1"),
        ("系统退信", "<x@far.example>: 收件人地址错误", "5.1.1"),
        ("반송", "<x@far.example>: 등록되지 않은 사용자입니다", "5.1.1"),
        ("failure notice", "<x@far.example>: domän: domänen finns inte", "5.1.2"),
        (
            "Opóźnienie dostarczenia",
            "Wiadomość do x@far.example nie została jeszcze dostarczona.",
            "4.0.0",
        ),
        // In a language that nobody has written down.
        ("Verzögert", "<x@far.example>: connect to mx.far.example: Connection refused", "4.4.1"),
        ("Kiri jäi toomata", "Kiri aadressile x@far.example jäi toomata, 550 5.7.1.", "5.7.1"),
    ] {
        check(daemon, subject, text, "x@far.example", status);
    }
}

#[test]
fn one_phrase_is_none() {
    for text in [
        "Return-Path: <>\nFrom: Casino <news@far.example>\nSubject: bonus\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nPlay now.\n--b--\n",
        "From: Parcels <no-reply@far.example>\nSubject: parcel\nContent-Type: text/plain; charset=utf-8\n\n荷物を配送できませんでした。\n",
        "From: Chat <noreply@far.example>\nSubject: notice\n\nYour message was not delivered, the room is closed.\n",
        "Return-Path: <>\nFrom: Form <www@far.example>\nSubject: question\n\nMy budget is exceeded.\n",
        "From: Tickets <noreply@far.example>\nSubject: [1] Mail delivery problem\n\nHello,\n> Your message to a@b.example could not be delivered.\n> 550 5.1.1\n",
        "From: a@b.example\nSubject: hello\nX-Failed-Recipients: c@d.example\n\nhello\n",
    ] {
        assert!(!finds(&BOUNCE, &message(text)), "{text}");
    }
}

#[test]
fn mail_about_bounces_is_none() {
    for text in [
        "From: hanako@example.jp\nSubject: Re: Undelivered Mail Returned to Sender\n\nThis is the mail system at host mx.example.\n",
        "From: hanako@example.jp\nSubject: our mail\n\n> User unknown\n> 550 5.1.1\n",
        "From: MAILER-DAEMON@mx.example\nSubject: hello\n\nNothing happened.\n",
        "From: root@host.example (Cron Daemon)\nSubject: Cron <root@host> backup\n\nbackup failed\n",
        "From: hanako@example.jp\nSubject: delivery report of parcels\n\nThe parcels came.\n",
    ] {
        assert!(!finds(&BOUNCE, &message(text)), "{text}");
    }
}

#[test]
fn people_who_ask_about_mail_are_none() {
    let hanako = "From: Hanako <hanako@friend.example>";
    let form = "Return-Path: <>\nFrom: Form <form@site.example>";
    let null = "Return-Path: <>\nFrom: Hanako <hanako@friend.example>";
    let desk = "From: Desk <noreply@desk.example>\nAuto-Submitted: auto-generated";
    let shop = "From: Shop <noreply@shop.example>\nList-Unsubscribe: <https://shop.example/u>";
    let list = "From: hanako@friend.example\nList-Post: <mailto:dev@lists.example>";
    let master = "From: Postmaster <postmaster@corp.example>";
    for (who, subject, text) in [
        (master, "Re: Undeliverable", "Try again.\n> a@b.example 550 5.1.1"),
        (
            hanako,
            "mail could not be delivered",
            "Hi,\nmy mail to a@b.example could not be delivered.",
        ),
        (
            hanako,
            "E-Mail nicht zugestellt",
            "meine E-Mail an a@b.example konnte nicht zugestellt werden",
        ),
        (hanako, "メールが届きません", "先日お送りしたメールは届きましたか。a@b.example 宛です。"),
        (hanako, "退信", "我发给 a@b.example 的邮件被退回了"),
        (hanako, "Your email was returned", "your message to a@b.example was returned: 550 5.1.1"),
        (
            hanako,
            "Undeliverable",
            "I got this today:\nThis is the mail system at host mx.example.\n<a@b.example>: 550 5.1.1",
        ),
        (
            hanako,
            "Mail delivery failed?",
            "What is this?\n\nThis is the mail system at host mx.example.\n<a@b.example>: 550 5.1.1",
        ),
        (list, "Undeliverable", "This is the mail system at host mx.example.\n<a@b.example>: 550"),
        (
            shop,
            "Mail delivery made easy",
            "Your message could not be delivered? 550 reasons to ask sales@shop.example.",
        ),
        (form, "question", "Was my mail to info@b.example not delivered?"),
        (form, "Anfrage", "Die Mail an info@b.example wurde nicht beantwortet."),
        (null, "Automatic reply: Undeliverable", "I am away.\n> a@b.example 550 5.1.1"),
        (null, "Re: hello", "The address a@b.example does not exist any more."),
        (desk, "[12] mail bounces", "Hanako wrote: mail to a@b.example bounced with 550 5.1.1"),
        (desk, "mail bounced", "Hanako wrote: my mail to a@b.example bounced with 550 5.1.1"),
        (form, "Entrega fallida", "Su envío no pudo ser entregado. cliente@post.example"),
        (form, "parcel", "お荷物をお届けできませんでした。tel@post.example"),
        (null, "letter", "Hi, мій лист на a@b.example не доставлено: 550 5.1.1"),
        (null, "Returned mail", "My mail to a@b.example was returned: 550 5.1.1. Why?"),
        (
            null,
            "不達メールの相談",
            "どうしますか。\n\n> This is the mail system at host b.example\n> a@b.example 550 5.1.1",
        ),
        (
            form,
            "お問い合わせ",
            "お名前: 花子\n内容: a@b.example 宛のメールが送信できません。550 5.1.1",
        ),
        (master, "Hello", "The address a@b.example has a code, 550 5.1.1."),
        (master, "Umzug", "Wir haben mehr Speicherplatz für hanako@corp.example bestellt."),
        (hanako, "Uppsägning", "Det gick inte att leverera meddelandet till a@b.example?"),
    ] {
        let text = format!(
            "{who}\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        );
        assert!(!finds(&BOUNCE, &message(&text)), "{text}");
    }
}

#[test]
fn senders_without_a_name_that_report() {
    let noreply = "From: Hosting <noreply@hosting.example>";
    let null = "Return-Path: <>\nFrom: Gateway <gateway@far.example>";
    for (who, subject, text, status) in [
        (noreply, "Undeliverable", "Your message to x@far.example bounced: 550 5.1.1", "5.1.1"),
        (
            noreply,
            "Kan ikke leveres: hej",
            "Meddelelsen til x@far.example kunne ikke leveres (550 5.1.1)",
            "5.1.1",
        ),
        (noreply, "לא נמסר", "ההודעה אל x@far.example לא נמסרה (550 5.1.1)", "5.1.1"),
        (null, "Nav piegādājams", "x@far.example\n550 5.1.10 RESOLVER.ADR.NotFound", "5.1.10"),
        (null, "प्रेषण", "x@far.example\n550 5.1.10 RESOLVER.ADR.NotFound", "5.1.10"),
        (null, "Message rejected", "Your mail to x@far.example was rejected: 550 5.7.1", "5.7.1"),
        (null, "hello", "Your mail to x@far.example was rejected: 550 5.7.1", "5.7.1"),
        (null, "Rückläufer", "Hallo,\n\nx@far.example: Postfach voll", "5.2.2"),
        (null, "配送エラー", "宛先 x@far.example が存在しません", "5.1.1"),
        (
            "From: imss@far.example",
            "Undeliverable",
            "*** Message from InterScan ***\nx@far.example 550 5.1.1",
            "5.1.1",
        ),
    ] {
        check(who, subject, text, "x@far.example", status);
    }
}

#[test]
fn a_bounce_whose_lines_end_in_cr() {
    assert!(finds(&BOUNCE, &message(&DSN.replace('\n', "\r"))));
}

#[test]
fn no_more_is_read_than_64_kb() {
    let text =
        format!("Return-Path: <>\nFrom: a@b.example\n\n{}user unknown\n", "x \n".repeat(40_000));
    assert!(!finds(&BOUNCE, &message(&text)));
}
