/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/allowances.h"

#include "log.h"

#define SO_FOR_ALL "nothing: it is so for all"

static const BsAllowanceRow table[BS_ALLOWANCE_COUNT] = {
    [BS_ALLOW_CANDIDATE_WITHOUT_JID] =
        {
            .name = "BS_ALLOW_CANDIDATE_WITHOUT_JID",
            .clients = "Psi",
            .departure = "its own addresses among the candidates have no jid",
            .reason = "XEP-0260, 9, wants one; only a proxy cannot be used without it",
            .recognised = "the missing attribute",
            .where = "transport/s5b_xml.c",
            .test = "pair/jingle_clients.c",
            .test_case = "\"<candidate cid='{cid}'\" ADDRESS",
        },
    [BS_ALLOW_PRIORITY_0] =
        {
            .name = "BS_ALLOW_PRIORITY_0",
            .clients = "Smack",
            .departure = "its proxies have the priority 0",
            .reason = "XEP-0260, 9, wants a positive number; what is meant is the lowest",
            .recognised = "the 0",
            .where = "transport/s5b_xml.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".proxy = CANDIDATE(\"0\", \" type='proxy'\")",
        },
    [BS_ALLOW_REVERSED_TIE] =
        {
            .name = "BS_ALLOW_REVERSED_TIE",
            .clients = "Dino",
            .departure = "of two connections with the same priority it takes the wrong one",
            .reason = "XEP-0260, 2.4, has the initiator decide: so no candidate of ours has a priority of "
                      "other clients",
            .recognised = SO_FOR_ALL,
            .where = "socks5/candidate.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".tie_reversed = TRUE",
        },
    [BS_ALLOW_ONLY_ITS_OWN_DIAL] =
        {
            .name = "BS_ALLOW_ONLY_ITS_OWN_DIAL",
            .clients = "Gajim",
            .departure = "as the sender it ends a connection that we dialled when it is to use it",
            .reason = "XEP-0260, 2.4, lets either carry the file: so our candidates are worth more, and "
                      "where both have a connection it is the one that it dialled",
            .recognised = SO_FOR_ALL,
            .where = "socks5/candidate.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".kills_dial = TRUE",
        },
    [BS_ALLOW_ANOTHER_STREAM_ID] =
        {
            .name = "BS_ALLOW_ANOTHER_STREAM_ID",
            .clients = "Smack",
            .departure = "its answer has a stream id of its own",
            .reason = "XEP-0260, 2.2, wants ours; how to reach it stands in its dstaddr all the same",
            .recognised = "another id, and a dstaddr",
            .where = "transport/s5b.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".own_sid = TRUE",
        },
    [BS_ALLOW_CANDIDATE_ACTIVATED] =
        {
            .name = "BS_ALLOW_CANDIDATE_ACTIVATED",
            .clients = "Smack",
            .departure = "it says candidate-activated for activated",
            .reason = "XEP-0260, 2.4, has another name, but nothing else can be meant",
            .recognised = "the element's name",
            .where = "transport/s5b_xml.c",
            .test = "pair/jingle_clients.c",
            .test_case = "<candidate-activated cid='{cid}'/>",
        },
    [BS_ALLOW_CONTENT_WITHOUT_CREATOR] =
        {
            .name = "BS_ALLOW_CONTENT_WITHOUT_CREATOR",
            .clients = "nobody that is known by name",
            .departure = "it names a content without its creator",
            .reason = "XEP-0166, 7.3, wants both; no two contents of a session have the same name here",
            .recognised = "the missing attribute",
            .where = "transfer/jingle_requests.c",
            .test = "pair/test_corners.c",
            .test_case = "a_content_needs_no_creator",
        },
    [BS_ALLOW_ACCEPTED_TOGETHER] =
        {
            .name = "BS_ALLOW_ACCEPTED_TOGETHER",
            .clients = "Psi",
            .departure = "it does not begin with a content that is accepted after its session-accept",
            .reason =
                "XEP-0166 does not say when each must be accepted: so all are when the last one is decided",
            .recognised = "several contents in its offer",
            .where = "transfer/jingle_contents.c",
            .test = "pair/test_contents.c",
            .test_case = "both_are_accepted_together",
        },
    [BS_ALLOW_EMPTY_ANSWER] =
        {
            .name = "BS_ALLOW_EMPTY_ANSWER",
            .clients = "nobody that is known by name",
            .departure = "its answer has a description without a file in it",
            .reason = "XEP-0234, 6.1, has the file there; the answer says all the same that it is accepted",
            .recognised = "the missing element",
            .where = "transfer/transfer_session.c",
            .test = "pair/test_last_words.c",
            .test_case = "\"<description xmlns='\" FT5 \"'/>\"",
        },
    [BS_ALLOW_OFFER_SENT_BACK] =
        {
            .name = "BS_ALLOW_OFFER_SENT_BACK",
            .clients = "Dino",
            .departure = "its answer is the offer's description, with a <range/> of which it knows nothing",
            .reason =
                "XEP-0234, 6.1, has a receiver's own range there; whoever takes it for that waits for a "
                "request, and promises that the file goes on by itself",
            .recognised = "a range that does not name its first byte, as ours does",
            .where = "transfer/transfer_session.c",
            .test = "pair/test_rest_sent.c",
            .test_case = "who_sends_the_offer_back_is_not_waited_for",
        },
    [BS_ALLOW_RANGE_WITHOUT_REQUESTS] =
        {
            .name = "BS_ALLOW_RANGE_WITHOUT_REQUESTS",
            .clients = "Psi",
            .departure = "its offers have a <range/>, but it gives nobody the rest who asks for it",
            .reason =
                "XEP-0234, 5, has that promise it; whoever believes it promises that the file goes on by "
                "itself",
            .recognised = "candidates without jid",
            .where = "transfer/transfer_transport.c",
            .test = "pair/test_rest.c",
            .test_case = "who_gives_nobody_the_rest_is_not_asked",
        },
    [BS_ALLOW_REASON_WITH_UNDERSCORE] =
        {
            .name = "BS_ALLOW_REASON_WITH_UNDERSCORE",
            .clients = "Dino",
            .departure = "it ends sessions for failed_transport",
            .reason = "XEP-0166, 7.4, spells reasons with hyphens",
            .recognised = "the element's name",
            .where = "transfer/jingle_xml.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".ends = \"failed_transport\"",
        },
    [BS_ALLOW_DATE_WITHOUT_ZONE] =
        {
            .name = "BS_ALLOW_DATE_WITHOUT_ZONE",
            .clients = "Psi",
            .departure = "a file's date has no zone",
            .reason = "XEP-0082, 3.2, wants one; UTC is meant",
            .recognised = "the missing zone",
            .where = "stanza/xml.c",
            .test = "pair/jingle_clients.c",
            .test_case = "<date>2021-03-04T05:06:07</date>",
        },
    [BS_ALLOW_DATE_WITH_TWO_ZONES] =
        {
            .name = "BS_ALLOW_DATE_WITH_TWO_ZONES",
            .clients = "Gajim",
            .departure = "a file's date ends in +00:00Z",
            .reason = "XEP-0082, 3.2, has one zone; the first one counts",
            .recognised = "the second zone",
            .where = "stanza/xml.c",
            .test = "pair/jingle_clients.c",
            .test_case = "+00:00Z</date>",
        },
    [BS_ALLOW_MISNAMED_MEDIA_TYPE] =
        {
            .name = "BS_ALLOW_MISNAMED_MEDIA_TYPE",
            .clients = "Conversations",
            .departure = "it calls media-type mediaType",
            .reason = "XEP-0234, 5, has another name, but nothing else can be meant",
            .recognised = "the element's name",
            .where = "transfer/jingle_file.c",
            .test = "pair/jingle_clients.c",
            .test_case = "<mediaType>text/plain</mediaType>",
        },
    [BS_ALLOW_OLD_THUMBNAIL_TYPE] =
        {
            .name = "BS_ALLOW_OLD_THUMBNAIL_TYPE",
            .clients = "Psi",
            .departure = "it calls the media-type of a thumbnail mime-type",
            .reason = "XEP-0264 did so in version 0 only, but nothing else can be meant",
            .recognised = "the attribute's name",
            .where = "transfer/thumbnail.c",
            .test = "unit/test_thumbnail.c",
            .test_case = " mime-type='image/png' width='64' height='64'/>",
        },
    [BS_ALLOW_SI_LENGTH_OF_NOTHING] =
        {
            .name = "BS_ALLOW_SI_LENGTH_OF_NOTHING",
            .clients = "Psi",
            .departure = "it wants a part whose length is 0, and means all up to the end",
            .reason = "XEP-0096, 3, leaves the length out for that; nobody wants no bytes",
            .recognised = "the 0",
            .where = "transfer/stream_initiation.c",
            .test = "unit/test_stream_initiation.c",
            .test_case = "<range offset='5' length='0'/>",
        },
    [BS_ALLOW_SI_NO_SIZE_WITHOUT_BYTES] =
        {
            .name = "BS_ALLOW_SI_NO_SIZE_WITHOUT_BYTES",
            .clients = "Smack, QXmpp",
            .departure = "no size stands in the offer of a file without bytes",
            .reason = "XEP-0096, 3, wants one; all others always write it",
            .recognised = "the missing attribute",
            .where = "transfer/transfer_si.c",
            .test = "pair/si_clients.c",
            .test_case = ".empty_size = \"\"",
        },
    [BS_ALLOW_SI_MEDIA_TYPE_OF_FILE] =
        {
            .name = "BS_ALLOW_SI_MEDIA_TYPE_OF_FILE",
            .clients = "Gabble",
            .departure = "the type of the file stands in <file/>",
            .reason = "XEP-0095, 4, has it in <si/>",
            .recognised = "the attribute's place",
            .where = "transfer/stream_initiation.c",
            .test = "pair/si_clients.c",
            .test_case = "mime-type='text/plain' hash=",
        },
    [BS_ALLOW_SI_CLOSED_BEFORE_OPEN] =
        {
            .name = "BS_ALLOW_SI_CLOSED_BEFORE_OPEN",
            .clients = "libpurple",
            .departure = "it closes an in-band stream that was never opened",
            .reason = "its user has cancelled, and there is no better word for it in XEP-0096",
            .recognised = "a <close/> before the <open/>",
            .where = "transfer/transfer_si.c",
            .test = "pair/test_si_incoming.c",
            .test_case = "the_peers_user_cancels_with_a_close",
        },
    [BS_ALLOW_SI_GOES_IN_BAND] =
        {
            .name = "BS_ALLOW_SI_GOES_IN_BAND",
            .clients = "libpurple, Gabble",
            .departure = "where SOCKS5 finds no way it goes in-band, without a word",
            .reason = "XEP-0095, 3.2, has one method chosen, and no other word afterwards; both were offered",
            .recognised = "an <open/> with the name of the stream",
            .where = "transfer/transfer_si.c",
            .test = "pair/si_clients.c",
            .test_case = ".falls_back = TRUE",
        },
    [BS_ALLOW_SI_METHODS_UNANNOUNCED] =
        {
            .name = "BS_ALLOW_SI_METHODS_UNANNOUNCED",
            .clients = "gloox",
            .departure = "it announces that it takes files, and neither SOCKS5 nor in-band",
            .reason = "XEP-0065, 3, wants it announced; but XEP-0096, 3, has whoever takes files know both",
            .recognised = "the missing features",
            .where = "host/resources.c",
            .test = "unit/test_peer.c",
            .test_case = "{SI, BS_PEER_SI, BS_FOUND_SI}",
        },
    [BS_ALLOW_SI_SEVERAL_METHODS] =
        {
            .name = "BS_ALLOW_SI_SEVERAL_METHODS",
            .clients = "Gabble",
            .departure = "its answer lists several methods in their order",
            .reason = "XEP-0095, 3.2, has one; the list, which is in no specification, is announced, and "
                      "others pass over it",
            .recognised = "its <si-multiple/>",
            .where = "transfer/stream_initiation.c",
            .test = "pair/si_clients.c",
            .test_case = ".multiple = TRUE",
        },
    [BS_ALLOW_SI_FAST_MODE] =
        {
            .name = "BS_ALLOW_SI_FAST_MODE",
            .clients = "Psi",
            .departure = "both parties offer streamhosts and dial",
            .reason = "XEP-0065, 5.3, has the target dial only; the mode, which is in no specification, is "
                      "announced, and others pass over it",
            .recognised = "its <fast/>",
            .where = "transport/si_bytestreams_xml.c",
            .test = "pair/si_clients.c",
            .test_case = ".fast = TRUE",
        },
    [BS_ALLOW_SI_FEW_HOSTS] =
        {
            .name = "BS_ALLOW_SI_FEW_HOSTS",
            .clients = "libpurple, Psi, Smack, QXmpp, Gabble, gloox",
            .departure =
                "it dials one streamhost after the other, waits long for each, or looks at a few of them",
            .reason = "XEP-0065, 5.3.1, sets no limit: so they are told five at most, the likeliest first",
            .recognised = SO_FOR_ALL,
            .where = "transport/si_bytestreams_hosts.c",
            .test = "unit/test_si_bytestreams.c",
            .test_case = "the_likeliest_first",
        },
    [BS_ALLOW_SI_PROXY_MARKED] =
        {
            .name = "BS_ALLOW_SI_PROXY_MARKED",
            .clients = "Psi",
            .departure = "a streamhost that is a proxy is marked as one",
            .reason = "XEP-0065 does not say which are; the mark is surer than the JID",
            .recognised = "its <proxy/>",
            .where = "transport/si_bytestreams_xml.c",
            .test = "unit/test_si_fast.c",
            .test_case = "a_mark_tells_a_proxy",
        },
    [BS_ALLOW_SI_REAL_JID] =
        {
            .name = "BS_ALLOW_SI_REAL_JID",
            .clients = "libpurple",
            .departure = "in a room it tells no dstaddr",
            .reason = "XEP-0065, 7, wants it; its streamhosts have its real JID, of which it can be made",
            .recognised = "the missing attribute",
            .where = "transport/si_bytestreams.c",
            .test = "unit/test_si_bytestreams.c",
            .test_case = "an_occupant_that_does_not_say_what_to_ask_for",
        },
    [BS_ALLOW_SI_NOT_REACHED] =
        {
            .name = "BS_ALLOW_SI_NOT_REACHED",
            .clients = "Psi",
            .departure = "it says remote-server-not-found when it has reached no streamhost",
            .reason = "XEP-0065, 5.3.2, has item-not-found, but nothing else can be meant",
            .recognised = "the condition's name",
            .where = "transport/si_bytestreams_offer.c",
            .test = "pair/si_clients.c",
            .test_case = "STANZA_ERROR(\"remote-server-not-found\")",
        },
    [BS_ALLOW_SI_NOT_REACHED_UNSAID] =
        {
            .name = "BS_ALLOW_SI_NOT_REACHED_UNSAID",
            .clients = "gloox",
            .departure = "it says nothing, or service-unavailable, when it has reached no streamhost",
            .reason = "XEP-0065, 5.3.2, wants item-not-found; others say so when their user has cancelled",
            .recognised = "feature-not-implemented for an in-band stream afterwards",
            .where = "transfer/transfer_si.c",
            .test = "pair/test_si_outgoing.c",
            .test_case = "in_band_when_the_peer_says_nothing_of_streamhosts",
        },
    [BS_ALLOW_SI_ONE_METHOD] =
        {
            .name = "BS_ALLOW_SI_ONE_METHOD",
            .clients = "Psi, QXmpp, Smack, gloox",
            .departure = "it gives up when no connection comes about, though it has offered in-band, too",
            .reason = "XEP-0096 has the way agreed on before: so its next file is accepted in-band at once",
            .recognised = "a file of its own that came neither way",
            .where = "transfer/transfer_si.c",
            .test = "pair/test_si_incoming.c",
            .test_case = "the_next_file_comes_in_band",
        },
    [BS_ALLOW_NEW_OFFER_IN_BAND] =
        {
            .name = "BS_ALLOW_NEW_OFFER_IN_BAND",
            .clients = "Psi, QXmpp, Smack, gloox",
            .departure = "it takes no in-band stream when SOCKS5 has failed",
            .reason = "XEP-0096 has the way agreed on before: so it is offered the file once more, in-band",
            .recognised = "an in-band stream that could not be opened",
            .where = "transfer/transfer_si.c",
            .test = "pair/test_si_outgoing.c",
            .test_case = "pair_offer_by_si_in_band",
        },
    [BS_ALLOW_EITHER_ORDER] =
        {
            .name = "BS_ALLOW_EITHER_ORDER",
            .clients = "Psi, Gajim; all others",
            .departure = "DST.ADDR of a responder's own address begins with either JID",
            .reason = "XEP-0260 says nothing of it: for Psi and Gajim the initiator comes first, for Dino, "
                      "Conversations, Swift and Smack whoever offers the address",
            .recognised = "nothing: both orders are let in, and both are tried",
            .where = "transport/places.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".order = JINGLE_INITIATOR_FIRST",
        },
    [BS_ALLOW_SESSION_ID_IN_DST_ADDR] =
        {
            .name = "BS_ALLOW_SESSION_ID_IN_DST_ADDR",
            .clients = "old versions of Conversations",
            .departure = "DST.ADDR has the session's id instead of the stream's, also of a proxy",
            .reason = "XEP-0260, 2.2, has the stream's; nobody else is known to speak that version, and who "
                      "heeds our dstaddr finds us",
            .recognised = "version 3 of file transfer",
            .where = "transfer/transfer_transport.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".names_by_session = TRUE",
        },
    [BS_ALLOW_ANOTHER_BOUND_ADDRESS] =
        {
            .name = "BS_ALLOW_ANOTHER_BOUND_ADDRESS",
            .clients = "libpurple",
            .departure = "its SOCKS5 reply names its own address",
            .reason = "XEP-0065, 5.3.2, wants what was asked for; but the reply says that it succeeded",
            .recognised = "another address",
            .where = "socks5/handshake.c",
            .test = "pair/si_clients.c",
            .test_case = ".bound = \"192.168.1.2\"",
        },
    [BS_ALLOW_REPLY_WITHOUT_ADDRESS] =
        {
            .name = "BS_ALLOW_REPLY_WITHOUT_ADDRESS",
            .clients = "ejabberd before 2.0.2",
            .departure = "its proxy leaves the address out of the SOCKS5 reply",
            .reason = "RFC 1928, 6, has one; but the reply says that it succeeded",
            .recognised = "address type 0",
            .where = "socks5/handshake.c",
            .test = "unit/test_handshake.c",
            .test_case = "client_meets_reply(0, \"\", 0, 0)",
        },
    [BS_ALLOW_UNPROMISED_HASH] =
        {
            .name = "BS_ALLOW_UNPROMISED_HASH",
            .clients = "Conversations, Gajim",
            .departure = "a hash comes after the file, of which nothing was said before",
            .reason = "XEP-0234, 8.2, wants it promised; the file can be verified all the same if the hash "
                      "is one of those computed",
            .recognised = "an offer that says nothing of hashes",
            .where = "transfer/transfer_bytes.c",
            .test = "pair/jingle_clients.c",
            .test_case = "JINGLE_HASH_LATE",
        },
    [BS_ALLOW_UNWRAPPED_SEQUENCE] =
        {
            .name = "BS_ALLOW_UNWRAPPED_SEQUENCE",
            .clients = "Conversations, Swift",
            .departure = "it counts on after 65535",
            .reason = "XEP-0047, 2.2, begins anew at 0",
            .recognised = "the number that would follow",
            .where = "transport/ibb_incoming.c",
            .test = "unit/test_ibb_incoming.c",
            .test_case = "numbers_begin_anew_or_go_on",
        },
    [BS_ALLOW_RECEIVED_BEFORE_TAIL] =
        {
            .name = "BS_ALLOW_RECEIVED_BEFORE_TAIL",
            .clients = "Psi, over Prosody's proxy",
            .departure = "it closes no connection before it has our word, and the proxy keeps the last bytes "
                         "until it does",
            .reason = "XEP-0234, 8.1, has the word follow the file: it comes a little before its end there; "
                      "if that does not come, the session ends with an error",
            .recognised = "candidates without jid; over a proxy, the last bytes of which none comes any more",
            .where = "transfer/transfer_tail.c",
            .test = "pair/test_jingle_incoming.c",
            .test_case = "its_proxy_holds_the_tail",
        },
    [BS_ALLOW_CLOSE_UNANSWERED] =
        {
            .name = "BS_ALLOW_CLOSE_UNANSWERED",
            .clients = "libpurple",
            .departure = "it never acknowledges the end of an in-band stream",
            .reason = "XEP-0047, 2.3, wants it; every block has been acknowledged by then",
            .recognised = "the missing answer",
            .where = "transport/ibb.c",
            .test = "pair/si_clients.c",
            .test_case = ".name = \"libpurple\"",
        },
    [BS_ALLOW_WHOLE_WHEN_ENDED] =
        {
            .name = "BS_ALLOW_WHOLE_WHEN_ENDED",
            .clients = "Dino, Psi, Swift",
            .departure =
                "a file is complete, or still to come, when its connection ends before its last byte",
            .reason = "XEP-0234, 5, has told the size: so what breaks off here is reset, and does not end",
            .recognised = SO_FOR_ALL,
            .where = "stream/pump.c",
            .test = "pair/test_jingle_outgoing.c",
            .test_case = "what_is_cancelled_does_not_end_in_good_order",
        },
    [BS_ALLOW_NO_LAST_WORD] =
        {
            .name = "BS_ALLOW_NO_LAST_WORD",
            .clients = "Smack, and all that speak stream initiation",
            .departure = "it closes the connection after the last byte, and may not end the session",
            .reason = "XEP-0234, 6.6, has the receiver end it; whoever waits for that waits long",
            .recognised = "the closed connection",
            .where = "transfer/transfer_bytes.c",
            .test = "pair/test_jingle_outgoing.c",
            .test_case = "to_a_peer_that_says_nothing_at_the_end",
        },
    [BS_ALLOW_LATE_LISTENER] =
        {
            .name = "BS_ALLOW_LATE_LISTENER",
            .clients = "Gajim",
            .departure = "it offers addresses at which it listens only when it has our session-accept",
            .reason = "we dial at once, and the connection may be there before the session-accept is",
            .recognised = "a connection that is refused",
            .where = "socks5/connector.c",
            .test = "unit/test_connector.c",
            .test_case = "one_who_listens_late",
        },
    [BS_ALLOW_ONLY_IN_BAND_PROPOSED] =
        {
            .name = "BS_ALLOW_ONLY_IN_BAND_PROPOSED",
            .clients = "Gajim",
            .departure = "it rejects every other transport that is proposed, except in-band",
            .reason = "XEP-0166, 7.2.14, allows it: so the next proposal is that",
            .recognised = "its transport-reject",
            .where = "transfer/transfer_transport.c",
            .test = "pair/test_jingle_outgoing.c",
            .test_case = "a_connection_that_breaks",
        },
    [BS_ALLOW_NEW_SESSION_IN_BAND] =
        {
            .name = "BS_ALLOW_NEW_SESSION_IN_BAND",
            .clients = "Psi",
            .departure = "it ends the session when SOCKS5 has failed, or rejects in-band in it",
            .reason =
                "XEP-0260, 3, goes on in the same session; Psi takes a new one, which is in-band at once",
            .recognised = "failed-transport for an end, or candidates without jid, before any byte",
            .where = "transfer/transfer_session.c",
            .test = "pair/test_jingle_outgoing.c",
            .test_case = "in_band_in_a_new_session",
        },
    [BS_ALLOW_OFFER_NEVER_SHOWN] =
        {
            .name = "BS_ALLOW_OFFER_NEVER_SHOWN",
            .clients = "Gajim, since 1.4.2",
            .departure = "it acknowledges an offer, and never shows it to its user",
            .reason = "nothing can be done for it, except that our user is told what to do",
            .recognised = "a minute without an answer; name and version (XEP-0092)",
            .where = "host/silence.c",
            .test = "unit/test_silence.c",
            .test_case = "<name>Gajim</name><version>1.7.3</version>",
        },
    [BS_ALLOW_PROXY_ERROR_WITH_CID] =
        {
            .name = "BS_ALLOW_PROXY_ERROR_WITH_CID",
            .clients = "Psi",
            .departure = "its <proxy-error/> needs a cid",
            .reason = "XEP-0260, 9, has no attribute there; without, Psi waits for ever",
            .recognised = "candidates without jid",
            .where = "transport/s5b_nominated.c",
            .test = "pair/test_jingle_incoming.c",
            .test_case = "when_our_proxy_does_not_work",
        },
    [BS_ALLOW_CHOICE_FORGOTTEN] =
        {
            .name = "BS_ALLOW_CHOICE_FORGOTTEN",
            .clients = "Psi",
            .departure = "it forgets what it was told is used when it reaches something better afterwards",
            .reason = "XEP-0260, 2.4, has one report of each; Psi waits for another one without limit",
            .recognised = "candidates without jid, and a choice of its own that is better than ours",
            .where = "transport/s5b_nominated.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".forgets_choice = TRUE",
        },
    [BS_ALLOW_MAPPED_AS_DIRECT] =
        {
            .name = "BS_ALLOW_MAPPED_AS_DIRECT",
            .clients = "Conversations",
            .departure = "it passes over candidates that are neither direct nor proxies",
            .reason = "XEP-0260, 2.2, calls a mapped port assisted: so it is offered under both names",
            .recognised = "nothing: it is offered to all",
            .where = "transport/s5b_mapped.c",
            .test = "pair/test_mapped.c",
            .test_case = "a_peer_that_knows_no_assisted_candidates",
        },
    [BS_ALLOW_NO_EARLY_CANDIDATES] =
        {
            .name = "BS_ALLOW_NO_EARLY_CANDIDATES",
            .clients = "nobody that is known by name",
            .departure = "it ends a session in which a transport-info comes before it has accepted",
            .reason =
                "XEP-0260, 2.2, lets candidates come one by one: so those that come early wait until then",
            .recognised = SO_FOR_ALL,
            .where = "transport/s5b_mapped.c",
            .test = "pair/test_mapped.c",
            .test_case = "Nothing is sent before the other side has accepted",
        },
    [BS_ALLOW_PROXIES_BY_ADDRESS] =
        {
            .name = "BS_ALLOW_PROXIES_BY_ADDRESS",
            .clients = "Swift",
            .departure = "it looks up no names of hosts",
            .reason = "XEP-0260, 2.2, lets a host be a name, and servers call their proxies by one: so it is "
                      "told the address at which we reached them",
            .recognised = "version 4 of file transfer",
            .where = "transport/places.c",
            .test = "pair/jingle_clients.c",
            .test_case = ".addresses_only = TRUE",
        },
    [BS_ALLOW_SHA1_IN_OLD_VERSIONS] =
        {
            .name = "BS_ALLOW_SHA1_IN_OLD_VERSIONS",
            .clients = "Swift",
            .departure = "it knows SHA-1 and MD5 only",
            .reason = "XEP-0300 leaves the choice open: so SHA-1 is sent as well",
            .recognised = "version 4 or 3 of file transfer",
            .where = "transfer/transfer_jingle.c",
            .test = "pair/test_jingle_outgoing.c",
            .test_case = "hash_known_to",
        },
};

static gboolean used[BS_ALLOWANCE_COUNT];

const BsAllowanceRow *
bs_allowance(BsAllowance allowance)
{
    return &table[allowance];
}

gboolean
bs_allow(BsAllowance allowance)
{
    if (!used[allowance] && !g_str_equal(table[allowance].recognised, SO_FOR_ALL))
        bs_log(NULL, "an allowance for %s: %s", table[allowance].clients, table[allowance].departure);
    used[allowance] = TRUE;
    return TRUE;
}

gboolean
bs_allowance_was_used(BsAllowance allowance)
{
    return used[allowance];
}
