# SPDX-License-Identifier: GPL-2.0-or-later
"""Transfers that do not come to a good end: declined, cancelled, or cut off, at every stage and from each side."""

import os

from case import GIB, KIB, MIB, test

SOME = 16 * MIB  # bytes moved before something happens "in mid-data"


def offered(case, sender, receiver, path=None):
    """An offer that waits for its receiver. Returns both ids and the dialog."""
    receiver.client.always("hold")
    since = receiver.client.now()
    sent = sender.send(receiver, path or case.file("file.bin", MIB))
    got = receiver.client.incoming(since)
    return sent, got, receiver.client.wait("dialog", since, kind="action")


def in_mid_data(case, sender, receiver):
    """A transfer of which a part is through. Returns both ids."""
    since = receiver.client.now()
    sent = sender.send(receiver, case.sparse())
    got = receiver.client.incoming(since)
    receiver.client.moved(got, SOME)
    sender.client.moved(sent, SOME)
    return sent, got


def still_works(case, sender, receiver, name="afterwards"):
    """Whatever was interrupted before does not go on."""
    huge = os.path.join(case.folder, "huge")
    if os.path.exists(huge):
        os.unlink(huge)
    receiver.client.always("accept")
    case.deliver(sender, receiver, case.file(name, 300 * KIB))


@test()
def declined(case):
    alice, bob = case.pair()
    sent, got, dialog = offered(case, alice, bob)
    bob.client.tell("answer", dialog["id"], "decline")
    assert case.cancelled(alice, sent) == "there"
    case.ended(bob, got)
    still_works(case, alice, bob)


@test()
def declined_in_the_dialog_for_the_name(case):
    alice, bob = case.pair()
    sent, got, dialog = offered(case, alice, bob)
    bob.client.tell("answer", dialog["id"], "accept")
    save = bob.client.wait("dialog", kind="save")
    bob.client.tell("answer", save["id"], "decline")
    assert case.cancelled(alice, sent) == "there"
    case.ended(bob, got)
    still_works(case, alice, bob)


@test()
def cancelled_by_the_sender_at_the_offer(case):
    alice, bob = case.pair()
    sent, got, _ = offered(case, alice, bob)
    alice.client.tell("cancel", sent)
    assert case.cancelled(alice, sent) == "here"
    assert bob.client.wait("xfer", where=lambda e: e["id"] == got and e["status"].startswith("cancelled"))
    bob.client.wait("dialog-closed")
    case.ended(bob, got)
    still_works(case, alice, bob)


@test()
def cancelled_by_the_sender_while_the_receiver_chooses_a_name(case):
    alice, bob = case.pair()
    sent, got, dialog = offered(case, alice, bob)
    bob.client.tell("answer", dialog["id"], "accept")
    bob.client.wait("dialog", kind="save")
    alice.client.tell("cancel", sent)
    assert case.cancelled(alice, sent) == "here"
    assert bob.client.wait("xfer", where=lambda e: e["id"] == got and e["status"].startswith("cancelled"))
    case.ended(bob, got)
    still_works(case, alice, bob)


@test()
def cancelled_by_the_sender_right_after_the_offer(case):
    alice, bob = case.pair()
    bob.client.always("hold")
    sent = alice.send(bob, case.file("file.bin", MIB))
    alice.client.tell("cancel", sent)
    assert case.cancelled(alice, sent) == "here"
    # Whether Bob has heard of it depends on who was faster.
    source = case.file("afterwards", KIB)
    again = alice.send(bob, source)
    got = bob.client.wait("xfer", stage="file-recv-request", name="afterwards")["id"]
    dialog = bob.client.wait("dialog", where=lambda e: "afterwards" in (e["primary"] or ""))
    bob.client.tell("answer", dialog["id"], "accept")
    save = bob.client.wait("dialog", kind="save", file="afterwards")
    bob.client.tell("answer", save["id"], "accept")
    case.ended(alice, again)
    case.ended(bob, got)
    case.arrived(bob, source)


@test()
def cancelled_by_the_sender_as_soon_as_it_is_accepted(case):
    alice, bob = case.pair()
    sent, got, dialog = offered(case, alice, bob, case.sparse())
    bob.client.always("accept")
    bob.client.tell("answer", dialog["id"], "accept")
    bob.client.stage(got, "added")
    alice.client.tell("cancel", sent)
    assert case.cancelled(alice, sent) == "here"
    assert case.cancelled(bob, got) == "there"
    still_works(case, alice, bob)


@test()
def cancelled_by_the_receiver_as_soon_as_it_is_accepted(case):
    alice, bob = case.pair()
    sent, got, dialog = offered(case, alice, bob, case.sparse())
    bob.client.always("accept")
    bob.client.tell("answer", dialog["id"], "accept")
    bob.client.stage(got, "added")
    bob.client.tell("cancel", got)
    assert case.cancelled(bob, got) == "here"
    assert case.cancelled(alice, sent) == "there"
    still_works(case, alice, bob)


@test()
def cancelled_by_the_sender_in_mid_data(case):
    alice, bob = case.pair()
    sent, got = in_mid_data(case, alice, bob)
    alice.client.tell("cancel", sent)
    assert case.cancelled(alice, sent) == "here"
    assert case.cancelled(bob, got) == "there"
    still_works(case, alice, bob)


@test()
def cancelled_by_the_receiver_in_mid_data(case):
    alice, bob = case.pair()
    sent, got = in_mid_data(case, alice, bob)
    bob.client.tell("cancel", got)
    assert case.cancelled(bob, got) == "here"
    assert case.cancelled(alice, sent) == "there"
    still_works(case, alice, bob)


@test()
def one_of_two_is_cancelled_and_the_other_goes_on(case):
    alice, bob = case.pair()
    source = case.file("file.bin", 100 * MIB)
    sent, got = in_mid_data(case, alice, bob)
    since = bob.client.now()
    other = alice.send(bob, source)
    other_got = bob.client.incoming(since)
    alice.client.tell("cancel", sent)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    bob.client.stage(other_got, "file-recv-complete")
    case.ended(alice, other)
    case.ended(bob, other_got)
    case.arrived(bob, source)


@test()
def the_sender_signs_off_in_mid_data(case):
    alice, bob = case.pair()
    case.may_remain_unfinished(bob)
    sent, got = in_mid_data(case, alice, bob)
    alice.client.tell("sign-off", alice.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    since = alice.client.now()
    alice.client.tell("sign-on", alice.jid)
    alice.client.wait("buddy-online", since)
    still_works(case, alice, bob)


@test()
def the_receiver_signs_off_in_mid_data(case):
    alice, bob = case.pair()
    case.may_remain_unfinished(bob)
    sent, got = in_mid_data(case, alice, bob)
    since = alice.client.now()
    bob.client.tell("sign-off", bob.jid)
    case.cancelled(bob, got)
    case.cancelled(alice, sent)
    alice.client.wait("buddy-offline", since)
    bob.client.tell("sign-on", bob.jid)
    alice.client.wait("buddy-online", since)
    still_works(case, alice, bob)


@test()
def the_receiver_signs_off_at_the_offer(case):
    alice, bob = case.pair()
    sent, got, _ = offered(case, alice, bob)
    bob.client.tell("sign-off", bob.jid)
    case.ended(bob, got)
    case.cancelled(alice, sent)


@test()
def the_sender_signs_off_at_the_offer(case):
    alice, bob = case.pair()
    sent, got, _ = offered(case, alice, bob)
    alice.client.tell("sign-off", alice.jid)
    case.cancelled(alice, sent)
    case.ended(bob, got)


@test()
def the_receiver_quits_in_mid_data(case):
    alice, bob = case.pair()
    sent, _ = in_mid_data(case, alice, bob)
    end, status = bob.client.quit()
    assert status == 0 and end["xfers"] == 0, (end, status)
    case.clients.remove(bob.client)
    assert len(os.listdir(bob.client.downloads)) == 1, "what was there of the file was not kept"
    case.cancelled(alice, sent)


@test()
def the_sender_crashes_in_mid_data(case):
    alice, bob = case.pair()
    case.may_remain_unfinished(bob)
    _, got = in_mid_data(case, alice, bob)
    alice.client.kill()
    case.clients.remove(alice.client)
    case.cancelled(bob, got)


@test()
def the_receiver_crashes_in_mid_data(case):
    alice, bob = case.pair()
    sent, _ = in_mid_data(case, alice, bob)
    bob.client.kill()
    case.clients.remove(bob.client)
    case.cancelled(alice, sent)


@test()
def the_server_is_killed_in_mid_data(case):
    server = case.own_server()
    alice, bob = case.pair()
    case.may_remain_unfinished(bob)
    sent, got = in_mid_data(case, alice, bob)
    server.kill()
    for account in (alice, bob):
        account.client.wait("offline")
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    server.start()
    since = [account.client.now() for account in (alice, bob)]
    for account in (alice, bob):
        account.client.tell("sign-on", account.jid)
    for account, place in zip((alice, bob), since):
        account.client.wait("buddy-online", place)
    still_works(case, alice, bob)


@test()
def the_server_is_killed_at_the_offer(case):
    server = case.own_server()
    alice, bob = case.pair()
    sent, got, _ = offered(case, alice, bob)
    server.kill()
    case.cancelled(alice, sent)
    case.ended(bob, got)


def unloads_in_mid_data(case, leaver, stayer, sent_by_leaver):
    case.may_remain_unfinished(stayer if sent_by_leaver else leaver)
    leaver_id, stayer_id = (in_mid_data(case, leaver, stayer) if sent_by_leaver
                            else reversed(in_mid_data(case, stayer, leaver)))
    since = leaver.client.now()
    leaver.client.unload(case.lab.plugin)
    case.cancelled(leaver, leaver_id)
    case.cancelled(stayer, stayer_id)
    assert leaver.client.all("line", since), "the user was not told"
    leaver.client.load(case.lab.plugin)


@test()
def the_sender_unloads_the_plugin_in_mid_data(case):
    alice, bob = case.pair()
    unloads_in_mid_data(case, alice, bob, True)
    still_works(case, bob, alice)


@test()
def the_receiver_unloads_the_plugin_in_mid_data(case):
    alice, bob = case.pair()
    unloads_in_mid_data(case, bob, alice, False)
    still_works(case, bob, alice)


@test()
def the_plugin_is_unloaded_at_the_offer(case):
    alice, bob = case.pair()
    sent, got, _ = offered(case, alice, bob)
    since = alice.client.now()
    back_sent, back_got, _ = offered(case, bob, alice, case.file("back", KIB))
    alice.client.unload(case.lab.plugin)
    case.cancelled(alice, sent)
    case.ended(alice, back_got)
    case.cancelled(bob, back_sent)
    case.ended(bob, got)
    alice.client.wait("dialog-closed", since)


@test()
def a_file_that_shrinks_while_it_is_sent(case):
    alice, bob = case.pair()
    path = case.file("file.bin", 64 * MIB)
    sent, got, dialog = offered(case, alice, bob, path)
    os.truncate(path, MIB)
    bob.client.always("accept")
    bob.client.tell("answer", dialog["id"], "accept")
    case.cancelled(alice, sent)
    case.cancelled(bob, got)


@test()
def a_name_that_cannot_be_written(case):
    alice, bob = case.pair()
    sent, got, dialog = offered(case, alice, bob)
    bob.client.tell("answer", dialog["id"], "accept")
    save = bob.client.wait("dialog", kind="save")
    bob.client.tell("answer", save["id"], "accept", os.path.join(bob.client.downloads, "too long " * 40))
    bob.client.wait("notify", kind="error")
    case.cancelled(alice, sent)
    case.ended(bob, got)
    still_works(case, alice, bob)


@test(quick=False, long=True)
def a_sparse_file_of_5_GiB(case):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.sparse("more than 4 GiB", 5 * GIB))
