"""A network whose batches are shared by threads: each thread has a twin of the network and computes a part of the rows.

The parameters of all twins are views of one flat vector, so there is nothing to hand out. Each twin has gradients of
its own. The gradient of a sum over all rows is the sum of the parts' gradients: so after backward the threads add up
their flat gradients, each a part of the vector's length.
"""

import copy
import weakref

from minigan.ops.pieces import in_pieces
from minigan.parallel.group import ALONE, set_group
from minigan.parallel.threads import Meeting, Threads, team


class SharedNetwork:
    """The twins of a network, one for each worker; the first one is the network itself.

    least_flops  a batch whose forward pass costs less is not shared: it would take longer
    """

    def __init__(self, net, workers, least_flops=0):
        self.size, self.meeting, self.least_flops = workers, Meeting(workers), least_flops
        self.members = [Threads(rank, self.meeting) for rank in range(workers)]
        self.net = weakref.ref(net)  # which holds this object: a circle would keep both until Python looks for circles
        self.twins = [twin_of(net) for _ in range(workers - 1)]
        self.layers = [network.inner_layers() for network in self.networks]
        states = [list(network.state.values()) for network in self.networks]
        self.states = [(own, state) for twin in states[1:] for own, state in zip(twin, states[0], strict=True)]
        self.meets = any(layer.asks_group for layer in self.layers[0])
        self.flops = net.flops()

    @property
    def networks(self):
        """Return the network of each worker."""
        return [self.net(), *self.twins]

    def shares(self, n):
        """Return whether a batch of n rows is shared: each worker needs a row, and it has to be worth it."""
        return n >= self.size and n * self.flops >= self.least_flops

    def run(self, whole, work, prepare=None):
        """Let each worker call work(its network, its rows) for a batch of `whole` rows."""
        for twin in self.layers[1:]:
            for own, layer in zip(twin, self.layers[0], strict=True):
                own.trainable = layer.trainable  # somebody may have frozen it since

        def part(rank):
            member = self.members[rank]
            rows = member.share(whole)
            member.hold(rows, whole=whole)
            set_group(self.layers[rank], member)
            try:
                work(rank, self.networks[rank], rows)
                if self.meets:
                    self.meeting.end(rank)
            finally:
                set_group(self.layers[rank], ALONE)

        team(self.size).run(part, self.meeting, prepare)

    def forward(self, x, training, labels):
        """Return y for a batch that `shares` says is shared."""
        net = self.net()
        y = net.xp.empty((len(x), *net.output_shape), net.dtype)

        def work(rank, network, rows):
            y[rows] = network._forward_rows(x[rows], training, None if labels is None else labels[rows])

        self.run(len(x), work, prepare=self.copy_states)
        return y

    def copy_states(self):
        """Give all twins the state of the network itself, which may have been loaded or set."""
        for own, state in self.states:
            own[...] = state

    def backward(self, dy, param_grads, input_grad):
        """Return dx of a shared batch, and add to the gradients of the network itself."""
        net = self.net()
        dx = net.xp.empty((len(dy), *net.input_shape), net.dtype) if input_grad else None

        def work(rank, network, rows):
            if rank and param_grads:
                network.forget_grads()
            part = network._backward_rows(dy[rows], param_grads, input_grad)
            if input_grad:
                dx[rows] = part
            if param_grads:
                network.write_forgotten_zeros()
                self.meeting.wait()
                self.add_up(rank)

        self.run(len(dy), work)
        return dx

    def tangent(self, xdot):
        """Return ydot of a shared batch, and add to the gradients of the network itself."""
        net = self.net()
        ydot = net.xp.empty((len(xdot), *net.output_shape), net.dtype)

        def work(rank, network, rows):
            if rank:
                network.forget_grads()
            ydot[rows] = network._tangent_rows(xdot[rows])
            network.write_forgotten_zeros()
            self.meeting.wait()
            self.add_up(rank)

        self.run(len(xdot), work)
        return ydot

    def tangent_backward(self, dy, param_grads, input_grad):
        """Return dx of a shared batch with the bends, and add to the gradients of the network itself."""
        net = self.net()
        n = sum(len(network.layers[0].upstream) for network in self.networks)
        dx = net.xp.zeros((n, *net.input_shape), net.dtype) if input_grad else None

        def work(rank, network, rows):
            if rank and param_grads:
                network.forget_grads()
            part = network._tangent_backward_rows(None if dy is None else dy[rows], param_grads, input_grad)
            if part is not None:
                dx[rows] = part
            if param_grads:
                network.write_forgotten_zeros()
                self.meeting.wait()
                self.add_up(rank)

        self.run(n, work)
        return dx

    def add_up(self, rank):
        """Add the twins' gradients to those of the network itself, in this worker's part of the vector."""
        vectors = [network.flat_grads for network in self.networks]
        part = self.members[rank].share(len(vectors[0]))
        for total, *others in in_pieces(*(vector[part] for vector in vectors)):
            for grads in others:
                total += grads

    def update(self, optimizer, numbers):
        """Let each worker update its part of the parameters: an update treats each number by itself."""
        net = self.net()
        params, grads = net.flat_params, net.flat_grads

        def part(rank):
            optimizer.update_part(self.members[rank].share(len(params)), params, grads, numbers)

        team(self.size).run(part, self.meeting)

    def clear_cache(self):
        """Forget what forward saved in all twins."""
        for twin in self.twins:
            twin.clear_cache()


def twin_of(net):
    """Return a copy of a network with the same parameters, views of the same vector, and with its own gradients."""
    twin = copy.deepcopy(net)
    twin.bind(net.flat_params, net.xp.zeros_like(net.flat_params))
    return twin
